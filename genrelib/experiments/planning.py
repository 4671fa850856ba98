"""Fits: one system on one fold, identified by everything that its predictions depend on.

:func:`plan` lists those of a study; :mod:`genrelib.experiments` does them.
"""

import json
from collections.abc import Collection, Iterable
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
from ..protocols import DECOMPOSITION, Fold, Protocol
from ..store import Store
from ..systems.row import Recipe, System
from . import predictions, streaming

KEPT = ("artist_grouped", 0)  # protocol and repeat whose estimators later notebooks ask again
SEEDED = ("size_matched", "artist_grouped")  # with several seeds: the pair that tells the leakage


@dataclass(frozen=True)
class Fit:
    """One system on one fold: what is fitted, on which data, with which seed.

    `genres`, in the corpus's order, are the columns of the predictions; `data` is a fingerprint of
    the features and labels of all tracks of the fold. The predictions are the CSV at `path`, with a
    JSON of the same name beside it; `model` is where the fitted estimator is kept, for those that
    are used again. Features that are too many are `streamed`: read in parts, see :mod:`.streaming`.
    """

    system: str
    fold: Fold
    genres: tuple[str, ...]
    recipe: Recipe
    data: str
    path: Path
    model: Path | None = None
    streamed: bool = False

    @property
    def row(self) -> System:
        """The system's row of the registry."""
        return systems.system(self.system)

    @property
    def protocol(self) -> Protocol:
        """The protocol's row of the registry."""
        return protocols.protocol(self.fold.protocol)

    def build(self) -> BaseEstimator:
        """Return the unfitted estimator."""
        return self.row.build(self.recipe)

    @property
    def size(self) -> tuple[int | None, int | None]:
        """Bands and frames to which features are averaged."""
        return self.row.size(self.recipe)

    def n_segments(self, store: Store) -> int:
        """Return how many units the protocol makes of a track of the store."""
        return protocols.n_segments(self.protocol, store.configuration["clip_s"])

    def track_size(self, store: Store) -> tuple[int | None, int | None]:
        """Bands and frames to which whole tracks are averaged, before they are cut."""
        n_bands, n_frames = self.size
        return n_bands, n_frames and n_frames * self.n_segments(store)

    def read(self, store: Store, ids: tuple[str, ...]) -> np.ndarray:
        """Read the features of tracks, or of segments where the protocol splits these.

        Shape ``(n_ids, n_bands, n_frames)``, float32, in the order of `ids`.
        """
        if self.protocol.unit == "track":
            return store.read(self.row.feature, ids, size=self.size)
        found = [segments.parse(i) for i in ids]
        tracks = {track_id: row for row, track_id in enumerate(dict.fromkeys(t for t, _ in found))}
        n_segments = self.n_segments(store)
        size = self.track_size(store)
        whole = store.read(self.row.feature, list(tracks), size=size)
        pieces = segments.cut(whole, n_segments)
        return pieces[[tracks[track_id] * n_segments + number for track_id, number in found]]

    def rows(self, store: Store, ids: tuple[str, ...]) -> streaming.Rows:
        """Return what :meth:`read` would, unread but for the first row."""
        return streaming.Rows.of(partial(self.read, store), ids)

    @cached_property
    def key(self) -> str:
        """Digest of everything that the predictions depend on: recipe, code, libraries, data."""
        row, estimator = self.row, self.build()
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


@dataclass(frozen=True)
class Settings:
    """How a study fits its systems: the parameters that its fits share, checked with the study.

    See :func:`genrelib.protocols.folds` and :class:`genrelib.systems.Recipe`; `decomposed` systems
    also meet the protocols of :data:`genrelib.protocols.DECOMPOSITION`. Systems that draw (a
    network its weights, a mixture its means) are fitted with `n_seeds` seeds on each fold of
    :data:`SEEDED` protocols.
    """

    n_folds: int
    n_repeats: int
    seed: int
    epoch_share: float
    image_size: tuple[int, int]
    decomposed: Collection[str] = ()
    n_seeds: int = 1


def plan(
    names: Iterable[str],
    protocol_names: Iterable[str],
    corpus: Corpus,
    store: Store,
    workspace: Workspace,
    settings: Settings,
) -> list[Fit]:
    """List the fits of systems x protocols x repeats x folds, of the corpus's usable tracks.

    A system with a source also meets the protocol that comes nearest to the source's. The store
    holds the features that the systems need; predictions go to the workspace.
    """
    names, asked = list(names), list(protocol_names)
    met = {name: _protocols_of(name, asked, settings.decomposed) for name in names}
    numbers = {name: getattr(settings, name) for name in ("n_folds", "n_repeats", "seed")}
    numbers["clip_s"] = store.configuration["clip_s"]
    folds = splits(names, asked, corpus, decomposed=settings.decomposed, **numbers)
    data = {f: _data_fingerprint(corpus, store, f) for f in systems.features_of(names)}
    fit_of = partial(_fit_of, corpus, store, workspace, settings, data)
    return [
        fit_of(name, fold, number)
        for name in names
        for protocol in met[name]
        for fold in folds[protocol]
        for number in range(_n_seeds(fit_of(name, fold, 0), settings))
    ]


def splits(
    names: Iterable[str],
    protocol_names: Iterable[str],
    corpus: Corpus,
    *,
    decomposed: Collection[str] = (),
    **numbers,
) -> dict[str, list[Fold]]:
    """Split the usable tracks by every protocol met; for `numbers` see :func:`.protocols.folds`."""
    asked = list(protocol_names)
    met = [p for name in names for p in _protocols_of(name, asked, decomposed)]
    return {p: protocols.folds(p, corpus.usable, **numbers) for p in dict.fromkeys(met)}


def _protocols_of(name: str, asked: list[str], decomposed: Collection[str]) -> list[str]:
    """List the protocols that a system meets, each once."""
    row, more = systems.system(name), DECOMPOSITION if name in decomposed else ()
    claimed = () if row.source == "ours" else (row.split,)
    return list(dict.fromkeys([*asked, *claimed, *more]))


def _n_seeds(fit: Fit, settings: Settings) -> int:
    is_asked = settings.n_seeds > 1 and fit.fold.protocol in SEEDED
    return settings.n_seeds if is_asked and _draws(fit) else 1


def _draws(fit: Fit) -> bool:
    """Tell whether another seed builds another estimator."""
    other = replace(fit, recipe=replace(fit.recipe, seed=fit.recipe.seed + 1))
    return recipe_of(other.build()) != recipe_of(fit.build())


def _fit_of(corpus, store, workspace, settings, data, name, fold, number) -> Fit:
    """Return a fit with the seed of a number; those of the first have no number in their names."""
    numbered = (number,) if number else ()
    stem = "_".join([f"repeat{fold.repeat}_fold{fold.fold}", *(f"seed{n}" for n in numbered)])
    folder = Path(name) / fold.protocol
    clip_s, row = store.configuration["clip_s"], systems.system(name)
    n_segments = protocols.n_segments(protocols.protocol(fold.protocol), clip_s)
    is_kept = (fold.protocol, fold.repeat) == KEPT and not number
    fit = Fit(
        system=name,
        fold=fold,
        genres=corpus.genres,
        recipe=systems.recipe(
            n_classes=len(corpus.genres),
            seed=derive(settings.seed, name, fold.protocol, fold.repeat, fold.fold, *numbered),
            epoch_share=settings.epoch_share,
            image_size=tuple(settings.image_size),
            clip_s=clip_s / n_segments,
        ),
        data=data[row.feature],
        path=workspace.predictions / folder / f"{stem}{predictions.CSV}",
        model=workspace.models / folder / f"{stem}.joblib" if is_kept else None,
    )
    n_units = max(len(fold.train) + len(fold.valid), len(fold.test))
    n_bands, n_frames = store.shape(row.feature, size=fit.track_size(store))
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
