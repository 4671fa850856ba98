"""Experiments: systems fitted on folds, one small file of predictions per fit.

A fit that is present and matches what is asked for is not done again: this is how a study resumes
after an interruption, and the unit that is spread over processes.
"""

import ast
import inspect
import json
import platform
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from . import predictions, protocols, systems
from .corpora import Corpus
from .files import Workspace
from .networks import count_parameters
from .parallel import spread
from .protocols import Fold
from .seeds import derive
from .store import Store, open_store
from .training import device

LIBRARIES = ("numpy", "scikit-learn", "scipy", "skorch", "torch")


@dataclass(frozen=True)
class Fit:
    """One system on one fold: what is fitted, on which data, with which seed.

    Parameters
    ----------
    system : str
        A name in :data:`genrelib.systems.SYSTEMS`.
    fold : Fold
        The track ids of each part.
    genres : tuple of str
        In the corpus's order; the columns of the predictions.
    epochs : int or None
        See :func:`genrelib.systems.build`.
    seed : int
        Of this fit, derived from the study's.
    data : str
        Fingerprint of the features and labels of all tracks of the fold.
    path : Path
        The CSV of predictions; a JSON of the same name lies beside it.
    """

    system: str
    fold: Fold
    genres: tuple[str, ...]
    epochs: int | None
    seed: int
    data: str
    path: Path

    def build(self) -> BaseEstimator:
        """Return the unfitted estimator."""
        return systems.build(
            self.system, n_classes=len(self.genres), seed=self.seed, epochs=self.epochs
        )

    @cached_property
    def key(self) -> str:
        """Digest of everything that the predictions depend on: recipe, code, libraries, data."""
        row, estimator = systems.system(self.system), self.build()
        parts = {
            "system": [row.name, row.feature, row.validates, recipe(estimator)],
            "code": [_code(part) for part in _classes(estimator)],
            "libraries": [version(name) for name in LIBRARIES],
            "fold": [self.fold.train, self.fold.valid, self.fold.test],
            "genres": self.genres,
            "data": self.data,
        }
        return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def done(self) -> bool:
        """Whether whole predictions of exactly this fit are on disk."""
        return predictions.matches(self.path, self.key)


def recipe(estimator: BaseEstimator) -> dict[str, str]:
    """List an estimator's parameters, nested ones too, as sorted plain text."""
    plain = (str, int, float, bool, tuple, type(None))
    return {
        name: repr(value) if isinstance(value, plain) else getattr(value, "__name__", "")
        for name, value in sorted(estimator.get_params(deep=True).items())
        if isinstance(value, (*plain, type)) and not name.endswith("device")
    }


def _classes(estimator) -> list[type]:
    """List the classes of this package that an estimator is made of."""
    values = estimator.get_params(deep=True).values()
    found = {type(estimator), *(v if isinstance(v, type) else type(v) for v in values)}
    own = [cls for cls in found if cls.__module__.startswith(__package__)]
    return sorted(own, key=lambda cls: cls.__qualname__)


@cache
def _code(cls: type) -> str:
    """Return what a class does, as text: its bases here and its module's functions included.

    Comments, docstrings and layout do not count, nor do other classes of the module.
    """
    names = {base.__name__ for base in cls.__mro__ if base.__module__ == cls.__module__}
    kept = []
    for node in ast.parse(inspect.getsource(inspect.getmodule(cls))).body:
        if isinstance(node, ast.FunctionDef) or getattr(node, "name", "") in names:
            for inner in ast.walk(node):
                if isinstance(inner, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(inner):
                    inner.body = inner.body[1:]
            kept.append(ast.dump(node))
    return "\n".join(kept)


def plan(
    names: Iterable[str],
    protocol_names: Iterable[str],
    corpus: Corpus,
    store: Store,
    workspace: Workspace,
    *,
    n_folds: int,
    n_repeats: int,
    epochs: int | None,
    seed: int,
) -> list[Fit]:
    """List the fits of systems x protocols x repeats x folds.

    Parameters
    ----------
    names, protocol_names : iterable of str
        Of the registries.
    corpus : Corpus
        Its usable tracks are split.
    store : Store
        Holds the features that the systems ask for.
    workspace : Workspace
        Where the predictions go.
    n_folds, n_repeats : int
        See :func:`genrelib.protocols.folds`.
    epochs : int or None
        See :func:`genrelib.systems.build`.
    seed : int
        The study's seed.
    """
    splits = [
        fold
        for name in protocol_names
        for fold in protocols.folds(
            name, corpus.usable, n_folds=n_folds, n_repeats=n_repeats, seed=seed
        )
    ]
    names = list(names)
    data = {
        feature: _data_fingerprint(corpus, store, feature) for feature in systems.features_of(names)
    }
    return [
        Fit(
            system=name,
            fold=fold,
            genres=corpus.genres,
            epochs=epochs,
            seed=derive(seed, name, fold.protocol, fold.repeat, fold.fold),
            data=data[systems.system(name).feature],
            path=workspace.predictions
            / name
            / fold.protocol
            / f"repeat{fold.repeat}_fold{fold.fold}.csv",
        )
        for name in names
        for fold in splits
    ]


def _data_fingerprint(corpus, store, feature):
    usable = corpus.usable
    labels = usable[["genre", "group"]].to_csv()
    features = store.fingerprint(list(usable.index), feature)
    return sha256(f"{features}\n{labels}".encode()).hexdigest()


def run(fits: list[Fit], corpus: Corpus, store: Store, *, n_jobs: int) -> dict[str, int]:
    """Do the fits that are not done yet.

    Interrupting loses at most the fits in progress. Predictions in the same folders that belong
    to none of `fits` (an earlier configuration) are removed.

    Parameters
    ----------
    fits : list of Fit
        From :func:`plan`.
    corpus : Corpus
        The tracks table of the fits.
    store : Store
        Its features. Only its path travels to the workers.
    n_jobs : int
        Processes; each fit runs on one thread, so that its result does not depend on `n_jobs`.

    Returns
    -------
    dict
        ``{"fitted": ..., "kept": ...}``, the number of fits.
    """
    predictions.remove_others(fit.path for fit in fits)
    missing = [fit for fit in fits if not fit.done]
    tracks = corpus.usable[["genre", "artist", "group"]]
    tasks = [(fit, tracks, store.path) for fit in missing]
    for _ in spread(_fit, tasks, n_jobs=n_jobs, label="fits"):
        pass
    return {"fitted": len(missing), "kept": len(fits) - len(missing)}


def _fit(fit: Fit, tracks: pd.DataFrame, store_path: Path) -> None:
    """Fit one system on one fold and write its predictions, in a worker process."""
    protocols.check(fit.fold, tracks)
    row, store = systems.system(fit.system), open_store(store_path)
    train, valid, test = fit.fold.train, fit.fold.valid, fit.fold.test
    is_valid = np.arange(len(train) + len(valid)) >= len(train)
    labels = pd.Series(pd.Categorical(tracks["genre"], fit.genres).codes, index=tracks.index)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            started = time.perf_counter()
            estimator = fit.build().fit(
                store.read(row.feature, [*train, *valid]),
                labels[[*train, *valid]].to_numpy(dtype=np.int64),
                **({"is_valid": is_valid} if row.validates else {}),
            )
            fitted = time.perf_counter()
            columns = estimator.predict_proba(store.read(row.feature, list(test)))
            predicted = time.perf_counter()
    finally:
        torch.set_num_threads(threads)
    probabilities = np.zeros((len(test), len(fit.genres)))
    probabilities[:, estimator.classes_] = columns
    genre = tracks["genre"][list(test)]
    record = _record(fit, tracks, estimator, fitted - started, predicted - fitted)
    predictions.write(fit.path, genre, fit.genres, probabilities, record)


def architecture(name: str, corpus: Corpus, store: Store) -> pd.DataFrame:
    """List the layers of a system's network for the shape of a corpus's features.

    Parameters
    ----------
    name : str
        A system whose last step is a network.
    corpus : Corpus
        Tells the number of genres.
    store : Store
        Holds the system's feature of the corpus's usable tracks.

    Returns
    -------
    pd.DataFrame
        One row per layer with parameters of its own: ``layer, kind, parameters``.
    """
    pipeline = systems.build(name, n_classes=len(corpus.genres), seed=0)
    example = store.read(systems.system(name).feature, list(corpus.usable.index[:2]))
    net = pipeline.steps[-1][1]
    net.input_shape_ = Pipeline(pipeline.steps[:-1]).fit_transform(example).shape[1:]
    net.initialize()
    return pd.DataFrame(
        [
            {"layer": layer, "kind": type(module).__name__, "parameters": count_parameters(module)}
            for layer, module in net.module_.named_modules()
            if not list(module.children()) and list(module.parameters())
        ]
    )


def _record(fit, tracks, estimator, fit_seconds, predict_seconds):
    """Describe a fit for the JSON beside its predictions."""
    net = estimator.named_steps.get("net")
    return {
        "key": fit.key,
        "system": fit.system,
        **protocols.overlap(fit.fold, tracks),
        "genres": fit.genres,
        "genres_trained": sorted(set(tracks["genre"][[*fit.fold.train, *fit.fold.valid]])),
        "seed": fit.seed,
        "data": fit.data,
        "recipe": recipe(fit.build()),
        "fit_seconds": round(fit_seconds, 3),
        "predict_seconds": round(predict_seconds, 3),
        "n_parameters": count_parameters(net.module_) if net else None,
        "curve": net.curve if net else [],
        "device": device()[0],
        "versions": {"python": platform.python_version()} | {n: version(n) for n in LIBRARIES},
    }
