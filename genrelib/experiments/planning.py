"""Fits: one system on one fold, identified by everything that its predictions depend on.

:func:`plan` lists those of a study; :mod:`genrelib.experiments` does them.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator

from .. import protocols, systems
from ..base.codetrace import FIT_LIBRARIES, code_of, versions
from ..base.files import Workspace
from ..base.seeds import derive
from ..corpora import Corpus
from ..features import segments
from ..protocols import Fold
from ..protocols.registry import DECOMPOSITION
from ..store import Store
from ..systems.row import Recipe
from . import predictions, streaming

KEPT = ("artist_grouped", 0)
"""Protocol and repeat whose fitted estimators are kept, to be asked again by later notebooks."""


@dataclass(frozen=True)
class Fit:
    """One system on one fold: what is fitted, on which data, with which seed.

    Parameters
    ----------
    system : str
        A name in :data:`genrelib.systems.SYSTEMS`.
    fold : Fold
        The ids of each part.
    genres : tuple of str
        In the corpus's order; the columns of the predictions.
    recipe : Recipe
        What the system is built with, the seed of this fit among it.
    data : str
        Fingerprint of the features and labels of all tracks of the fold.
    path : Path
        The CSV of predictions; a JSON of the same name lies beside it.
    model : Path or None
        Where the fitted estimator is kept, for those that are used again.
    streamed : bool
        Whether features are read in parts, being too many, see :mod:`.streaming`.
    """

    system: str
    fold: Fold
    genres: tuple[str, ...]
    recipe: Recipe
    data: str
    path: Path
    model: Path | None = None
    streamed: bool = False

    def build(self) -> BaseEstimator:
        """Return the unfitted estimator."""
        return systems.system(self.system).build(self.recipe)

    @property
    def size(self) -> tuple[int | None, int | None]:
        """Bands and frames to which features are averaged."""
        return systems.system(self.system).size(self.recipe)

    def n_segments(self, store: Store) -> int:
        """Return how many units the protocol makes of a track of the store."""
        protocol = protocols.protocol(self.fold.protocol)
        return protocols.n_segments(protocol, store.configuration["clip_s"])

    def track_size(self, store: Store) -> tuple[int | None, int | None]:
        """Bands and frames to which whole tracks are averaged, before they are cut."""
        n_bands, n_frames = self.size
        return n_bands, n_frames and n_frames * self.n_segments(store)

    def read(self, store: Store, ids: tuple[str, ...]) -> np.ndarray:
        """Read the features of tracks, or of segments where the protocol splits these.

        Returns
        -------
        np.ndarray, shape (n_ids, n_bands, n_frames), dtype float32
            In the order of `ids`.
        """
        feature = systems.system(self.system).feature
        if protocols.protocol(self.fold.protocol).unit == "track":
            return store.read(feature, ids, size=self.size)
        found = [segments.parse(i) for i in ids]
        tracks = {track_id: row for row, track_id in enumerate(dict.fromkeys(t for t, _ in found))}
        n_segments = self.n_segments(store)
        size = self.track_size(store)
        pieces = segments.cut(store.read(feature, list(tracks), size=size), n_segments)
        return pieces[[tracks[track_id] * n_segments + number for track_id, number in found]]

    def rows(self, store: Store, ids: tuple[str, ...]) -> streaming.Rows:
        """Return what :meth:`read` would, unread but for the first row."""
        return streaming.Rows.of(partial(self.read, store), ids)

    @cached_property
    def key(self) -> str:
        """Digest of everything that the predictions depend on: recipe, code, libraries, data."""
        row, estimator = systems.system(self.system), self.build()
        parts = {
            "system": [row.name, row.feature, row.validates, self.size, recipe_of(estimator)],
            "code": [code_of(part) for part in _classes(estimator)],
            "libraries": list(versions(FIT_LIBRARIES).values()),
            "fold": [self.fold.train, self.fold.valid, self.fold.test],
            "genres": self.genres,
            "data": self.data,
        }
        if self.streamed:
            parts["streamed"] = code_of(streaming.fit)
        return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def done(self) -> bool:
        """Whether whole predictions of exactly this fit are on disk."""
        return predictions.matches(self.path, self.key)


def recipe_of(estimator: BaseEstimator) -> dict[str, str]:
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
    own = [cls for cls in found if cls.__module__.startswith(__package__.split(".")[0])]
    return sorted(own, key=lambda cls: cls.__qualname__)


def plan(
    names: Iterable[str],
    protocol_names: Iterable[str],
    corpus: Corpus,
    store: Store,
    workspace: Workspace,
    *,
    n_folds: int,
    n_repeats: int,
    seed: int,
    epoch_share: float,
    image_size: Iterable[int],
    decomposed: Iterable[str] = (),
) -> list[Fit]:
    """List the fits of systems x protocols x repeats x folds.

    Parameters
    ----------
    names, protocol_names : iterable of str
        Of the registries. Each system also meets the protocol that comes nearest to its source's.
    corpus : Corpus
        Its usable tracks are split.
    store : Store
        Holds the features that the systems ask for.
    workspace : Workspace
        Where the predictions go.
    n_folds, n_repeats : int
        See :func:`genrelib.protocols.folds`.
    seed : int
        The study's seed.
    epoch_share : float
    image_size : (int, int)
        See :class:`genrelib.systems.Recipe`.
    decomposed : iterable of str
        Systems that also meet the protocols of :data:`genrelib.protocols.DECOMPOSITION`.
    """
    names, decomposed, clip_s = list(names), set(decomposed), store.configuration["clip_s"]
    met = {name: _protocols_of(name, protocol_names, name in decomposed) for name in names}
    settings = {"n_folds": n_folds, "n_repeats": n_repeats, "seed": seed}
    folds = {
        name: protocols.folds(name, corpus.usable, clip_s=clip_s, **settings)
        for name in dict.fromkeys(p for ps in met.values() for p in ps)
    }
    data = {
        feature: _data_fingerprint(corpus, store, feature) for feature in systems.features_of(names)
    }
    return [
        _fit_of(name, fold, corpus, store, workspace, data, seed, epoch_share, image_size)
        for name in names
        for protocol in met[name]
        for fold in folds[protocol]
    ]


def _protocols_of(name: str, asked: Iterable[str], is_decomposed: bool) -> list[str]:
    """List the protocols that a system meets, each once."""
    more = DECOMPOSITION if is_decomposed else ()
    return list(dict.fromkeys([*asked, systems.system(name).split, *more]))


def _fit_of(name, fold, corpus, store, workspace, data, seed, epoch_share, image_size) -> Fit:
    stem = f"repeat{fold.repeat}_fold{fold.fold}"
    folder = Path(name) / fold.protocol
    clip_s = store.configuration["clip_s"]
    n_segments = protocols.n_segments(protocols.protocol(fold.protocol), clip_s)
    fit = Fit(
        system=name,
        fold=fold,
        genres=corpus.genres,
        recipe=systems.recipe(
            n_classes=len(corpus.genres),
            seed=derive(seed, name, fold.protocol, fold.repeat, fold.fold),
            epoch_share=epoch_share,
            image_size=tuple(image_size),
            clip_s=clip_s / n_segments,
        ),
        data=data[systems.system(name).feature],
        path=workspace.predictions / folder / f"{stem}.csv",
        model=workspace.models / folder / f"{stem}.joblib"
        if (fold.protocol, fold.repeat) == KEPT
        else None,
    )
    n_units = max(len(fold.train) + len(fold.valid), len(fold.test))
    n_bands, n_frames = store.shape(systems.system(name).feature, size=fit.track_size(store))
    shape = n_bands, n_frames // n_segments
    return replace(fit, streamed=streaming.exceeds_budget(n_units, shape))


def _data_fingerprint(corpus, store, feature):
    usable = corpus.usable
    labels = usable[["genre", "group"]].to_csv()
    features = store.fingerprint(list(usable.index), feature)
    return sha256(f"{features}\n{labels}".encode()).hexdigest()


def first_of_each(planned: Iterable[Fit]) -> list[Fit]:
    """Return the first fit of each system."""
    return list({fit.system: fit for fit in reversed(list(planned))}.values())[::-1]


def kept(planned: Iterable[Fit]) -> list[Fit]:
    """Return the fits whose estimators are kept, see :data:`KEPT`."""
    return [fit for fit in planned if fit.model is not None]
