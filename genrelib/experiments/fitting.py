"""Experiments: systems fitted on folds, one small file of predictions per fit.

A fit that is present and matches what is asked for is not done again: this is how a study resumes
after an interruption, and the unit that is spread over processes.
"""

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

import joblib
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from .. import protocols
from ..base.codetrace import FIT_LIBRARIES, versions
from ..base.errors import GenrelibError
from ..base.files import await_files, digest, replacing, write_text
from ..base.parallel import is_sent, one_thread, spread
from ..corpora import Corpus
from ..store import Store, open_store
from ..systems.estimators import Searched
from ..systems.row import count_multiply_adds, count_parameters, layers
from ..systems.training import GenreNet, device
from . import predictions, streaming
from .planning import Fit, recipe_of


def run(fits: list[Fit], corpus: Corpus, store: Store, *, n_jobs: int) -> dict[str, int]:
    """Do the fits that are not done yet; return how many are ``fitted`` and ``kept``.

    Interrupting loses at most the fits in progress. Predictions in the same folders that belong to
    none of `fits` (an earlier configuration) are removed. Each fit runs on one thread, so that its
    result does not depend on `n_jobs`. Networks on this machine's GPU are trained one after the
    other; a worker of a cluster uses the GPU that it sees.
    """
    predictions.remove_others(fit.path for fit in fits)
    missing = [fit for fit in fits if not fit.done]
    if missing:
        with _written(missing, _columns(corpus)) as plan:
            _spread(missing, plan, store.path, n_jobs)
        await_files(predictions.beside(fit.path, ".json") for fit in missing)
        predictions.remove_others(fit.path for fit in fits)  # of workers that died at it
    return {"fitted": len(missing), "kept": len(fits) - len(missing)}


def _spread(fits: list[Fit], plan: tuple[Path, str], store_path: Path, n_jobs: int) -> None:
    on_gpu = device()[0] == "cuda" and not is_sent(n_jobs)
    for alone in (True, False):
        own = [n for n, fit in enumerate(fits) if (on_gpu and fit.row.validates) == alone]
        tasks = [(plan, number, store_path) for number in own]
        for _ in spread(_fit, tasks, n_jobs=1 if alone else n_jobs, label="fits"):
            pass


@contextmanager
def _written(fits: list[Fit], tracks: pd.DataFrame) -> Iterator[tuple[Path, str]]:
    """Write down what the fits of a run share: ids of 100,000 tracks are too much to send each."""
    path = fits[0].path.with_name(f".fits.{uuid4().hex}.tmp")  # swept with others if it stays
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        joblib.dump((fits, tracks), path)
        yield path, digest(path)
    finally:
        path.unlink(missing_ok=True)


@lru_cache(maxsize=1)
def _read(plan: Path, sha256: str) -> tuple[list[Fit], pd.DataFrame]:
    if digest(plan) != sha256:
        raise GenrelibError(f"{plan} was changed while it was in use; run the study again.")
    return joblib.load(plan)


def fitted(fit: Fit, corpus: Corpus, store: Store) -> BaseEstimator:
    """Return the fitted estimator of `fit`: the one that was kept, or fitted anew."""
    if fit.model is not None and _is_vouched(fit):
        return joblib.load(fit.model)
    estimator = _trained(fit, _columns(corpus), store)
    if fit.model is not None:
        _keep(fit, estimator)
    return estimator


def _columns(corpus: Corpus) -> pd.DataFrame:
    return corpus.usable[["genre", "artist", "group"]]


def _keep(fit: Fit, estimator: BaseEstimator) -> None:
    with replacing(fit.model) as temporary:
        joblib.dump(estimator, temporary)
    vouched = {"key": fit.key, "sha256": digest(fit.model)}
    write_text(fit.model.with_suffix(".json"), json.dumps(vouched))


def _is_vouched(fit: Fit) -> bool:
    """Whether a kept model is what was written for this fit: loading another may run its code."""
    beside = fit.model.with_suffix(".json")
    try:
        known = json.loads(beside.read_text(encoding="utf-8"))
        mine = os.name != "posix" or not (fit.model.stat().st_mode | beside.stat().st_mode) & 0o002
        return mine and known == {"key": fit.key, "sha256": digest(fit.model)}
    except (OSError, ValueError, RecursionError):
        return False


def _fit(plan: tuple[Path, str], number: int, store_path: Path) -> None:
    """Do one of the fits that :func:`_written` wrote down: write its predictions."""
    fits, tracks = _read(*plan)
    fit = fits[number]
    protocols.check(fit.fold, tracks)
    store = open_store(store_path)
    with one_thread():
        started = time.perf_counter()
        estimator = _trained(fit, tracks, store)
        seconds = time.perf_counter() - started
        learnt = _predicted(fit, tracks, estimator, store, fit.fold.train)
        record = _record(fit, tracks, estimator, seconds)
        record["accuracy_train"] = float((learnt["predicted"] == learnt["genre"]).mean())
        valid = _validated(fit, tracks, estimator, store)
        test = _predicted(fit, tracks, estimator, store, fit.fold.test)
    if fit.model is not None:
        _keep(fit, estimator)
    predictions.write(fit.path, test, valid, record)


def _trained(fit: Fit, tracks: pd.DataFrame, store: Store) -> BaseEstimator:
    """Fit on the training part, with the validation part's help or joined to it."""
    parts = fit.fold.train, fit.fold.valid
    ids = [*parts[0], *parts[1]]
    arguments = {}
    if fit.row.validates:
        arguments["is_valid"] = np.arange(len(ids)) >= len(parts[0])
    with one_thread():
        return _fitted_on(fit, tracks, store, ids, **arguments)


def _fitted_on(fit: Fit, tracks, store, ids, **arguments) -> BaseEstimator:
    y = _labels(fit, tracks, ids)
    if fit.streamed:
        return streaming.fit(fit.build(), fit.rows(store, ids), y, **arguments)
    return fit.build().fit(fit.read(store, ids), y, **arguments)


def _validated(fit, tracks, estimator, store) -> pd.DataFrame | None:
    """Predict the validation part by a system that has not been fitted on it; None without one."""
    fold = fit.fold
    if not fold.valid:
        return None
    if not fit.row.validates:
        estimator = _fitted_on(fit, tracks, store, fold.train)
    elif isinstance(estimator, Searched):
        estimator = estimator.tried_
    return _predicted(fit, tracks, estimator, store, fold.valid)


def _labels(fit, tracks, ids) -> np.ndarray:
    genre = protocols.located(fit.protocol, ids, tracks)["genre"]
    return pd.Categorical(genre, fit.genres).codes.astype(np.int64)


def _predicted(fit, tracks, estimator, store, ids) -> pd.DataFrame:
    """Lay out what is predicted for units, see :func:`genrelib.experiments.predictions.write`."""
    if not fit.streamed:
        return _predicted_at_once(fit, tracks, estimator, store, ids)
    blocks = [tuple(ids[i] for i in block) for block in fit.rows(store, ids).blocks()]
    return pd.concat([_predicted_at_once(fit, tracks, estimator, store, i) for i in blocks])


def _predicted_at_once(fit, tracks, estimator, store, ids) -> pd.DataFrame:
    X = fit.read(store, ids)
    genre = protocols.located(fit.protocol, ids, tracks)["genre"]
    table = predicted(estimator, X, genre, fit.genres)
    if hasattr(estimator, "majority"):
        found = np.array(fit.genres)[estimator.classes_[estimator.segment_proba(X).argmax(axis=2)]]
        table.insert(2, "majority", np.array(fit.genres)[estimator.majority(X)])
        table.insert(3, "right_segments", (found == genre.to_numpy()[:, None]).mean(axis=1))
    return table


def predicted(
    estimator: BaseEstimator, X: np.ndarray, genre: pd.Series, genres: tuple[str, ...]
) -> pd.DataFrame:
    """Lay out an estimator's predictions: ``genre, predicted, p_<genre>...``, index track_id.

    The estimator's classes are positions in `genres`, of which some may be absent; `X` has the
    shape ``(n, n_bands, n_frames)``, `genre` holds the true genres of its rows.
    """
    probabilities = np.zeros((len(X), len(genres)))
    probabilities[:, estimator.classes_] = estimator.predict_proba(X)
    columns = {f"p_{g}": p for g, p in zip(genres, probabilities.T, strict=True)}
    best = np.array(genres)[probabilities.argmax(axis=1)]
    return pd.DataFrame({"genre": genre, "predicted": best, **columns})


def tested(fit: Fit, corpus: Corpus, store: Store) -> pd.DataFrame:
    """Return what a fit predicts for its test part: read where it is done, else fitted now."""
    if fit.done:
        table = pd.read_csv(fit.path, dtype=predictions.TEXT, keep_default_na=False)
    else:
        estimator, tracks = fitted(replace(fit, model=None), corpus, store), _columns(corpus)
        table = _predicted(fit, tracks, estimator, store, fit.fold.test)
        table = table.rename_axis("track_id").reset_index()
    fold = fit.fold
    where = {"protocol": fold.protocol, "repeat": fold.repeat, "fold": fold.fold}
    return table.assign(system=fit.system, **where, seed=fit.recipe.seed)


def architecture(fit: Fit) -> pd.DataFrame:
    """List the layers of a network, see :func:`genrelib.systems.layers`, for a done fit's input."""
    record = json.loads(predictions.beside(fit.path, ".json").read_text(encoding="utf-8"))
    shape = tuple(record["input_shape"])
    net = next(v for v in fit.build().get_params(deep=True).values() if isinstance(v, GenreNet))
    net.input_shape_ = shape
    table = layers(net.initialize().module_, shape)
    table.insert(0, "system", fit.system)
    return table


def _record(fit, tracks, estimator, fit_seconds):
    """Describe a fit for the JSON beside its predictions."""
    seen = protocols.located(fit.protocol, [*fit.fold.train, *fit.fold.valid], tracks)
    return {
        "key": fit.key,
        "system": fit.system,
        **protocols.overlap(fit.fold, tracks),
        "genres": fit.genres,
        "genres_trained": sorted(set(seen["genre"])),
        "seed": fit.recipe.seed,
        "data": fit.data,
        "size": fit.size,
        "streamed": fit.streamed,
        "recipe": recipe_of(fit.build()),
        "setting": getattr(estimator, "setting_", {}),
        "fit_seconds": round(fit_seconds, 3),
        **_network(getattr(estimator, "net_", None), getattr(estimator, "n_segments", 1)),
        "device": device()[0],
        "versions": {"python": platform.python_version()} | versions(FIT_LIBRARIES),
    }


def _network(net: GenreNet | None, n_segments: int) -> dict:
    """Describe a trained network; multiply-adds are those of a whole example."""
    if net is None:
        return {"n_parameters": None, "multiply_adds": None, "input_shape": None, "curve": []}
    return {
        "n_parameters": count_parameters(net.module_),
        "multiply_adds": n_segments * count_multiply_adds(net.module_, net.input_shape_),
        "input_shape": net.input_shape_,
        "curve": net.curve,
    }
