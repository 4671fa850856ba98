"""What systems answer for changed recordings: one row per system, track and change."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from .. import experiments
from ..base.errors import GenrelibError
from ..base.parallel import spread
from ..base.seeds import rng
from ..corpora import Corpus
from ..experiments import KEPT, Fit, kept
from ..features import SR, extract
from ..features.audio import excerpt, read_middle
from ..features.compiled import librosa
from ..features.segments import averaged
from ..store import Store, stored
from ..systems import system
from .interventions import INTERVENTIONS
from .variants import KINDS, Variant, controlled_variants

UNCHANGED = "unchanged"  # the change that is none

FROM_MEL = {  # what can be made from a changed log-mel, and how
    "log_mel": lambda log_mel: log_mel,
    "mfcc": lambda log_mel: librosa.feature.mfcc(S=log_mel, n_mfcc=20),
}


@dataclass(frozen=True)
class Change:
    """What is done to a track: nothing, an intervention of some strength, or another recording.

    `name` is :data:`UNCHANGED`, an intervention's, or one of :data:`~.variants.KINDS`; `manner` the
    genre in whose manner another recording is played.
    """

    name: str
    strength: float = math.nan
    manner: str = ""


Asked = tuple[str, tuple[int | None, int | None]]  # a feature; bands and frames it is averaged to

Made = tuple[str, list[Change], list[np.ndarray]]
"""A track's id, its changes, and for each thing asked the pictures of all changes."""


def of_audio(
    track_id: str, path: str, clip_s: float, changes: list[Change], asked: list[Asked], seed: int
) -> Made:
    """Decode the middle of a track, change it, and extract what is asked, once per change."""
    clip = read_middle(Path(path), clip_s)

    def matrices(change: Change) -> dict[str, np.ndarray]:
        if change.name == UNCHANGED:
            return _extracted(clip, asked)
        generator = _generator(change, track_id, seed)
        y = INTERVENTIONS[change.name].apply(clip, SR, change.strength, generator)
        return _extracted(y, asked)

    return track_id, changes, _stacked(map(matrices, changes), asked)


def of_variants(variants: list[Variant], clip_s: float, asked: list[Asked]) -> Made:
    """Render one track's variants and extract what is asked."""
    found = (_extracted(excerpt(variant.sound(), SR, clip_s), asked) for variant in variants)
    changes = [Change(variant.kind, manner=variant.manner) for variant in variants]
    return variants[0].track_id, changes, _stacked(found, asked)


def of_mel(
    track_id: str, store: Store, changes: list[Change], asked: list[Asked], seed: int
) -> Made:
    """Change a track's whole log-mel and make what is asked from it; the unchanged is read."""
    whole = store.read("log_mel", [track_id])[0]

    def matrices(change: Change) -> dict[str, np.ndarray]:
        if change.name == UNCHANGED:
            return {name: store.read(name, [track_id])[0] for name in _features(asked)}
        generator = _generator(change, track_id, seed)
        apply = INTERVENTIONS[change.name].apply_to_mel
        log_mel = apply(whole, change.strength, generator, frame_s=store.frame_s)
        return {name: stored(name, FROM_MEL[name](log_mel)) for name in _features(asked)}

    return track_id, changes, _stacked(map(matrices, changes), asked)


def _generator(change, track_id, seed):
    return rng(seed, "intervention", change.name, track_id)


def _extracted(y, asked):
    matrices = extract(y, SR, _features(asked))
    return {name: stored(name, matrix) for name, matrix in matrices.items()}


def _features(asked):
    return dict.fromkeys(feature for feature, _ in asked)


def _stacked(found: Iterable[dict[str, np.ndarray]], asked: Sequence[Asked]) -> list[np.ndarray]:
    """Average the matrices of each change as the store does when it reads, and stack them."""
    rows = [[_small(matrices[name], size) for name, size in asked] for matrices in found]
    return [np.stack(pictures) for pictures in zip(*rows, strict=True)]


def _small(matrix, size):
    """Average; what is to stay whole stays as narrow as it is stored, since it travels."""
    small = averaged(matrix.astype(np.float32), *size)
    return matrix if small.shape == matrix.shape else small


def strengths(name: str, n: int) -> tuple[float, ...]:
    """Pick `n` strengths of an intervention: its ends, and between them at even distances.

    In the registry's order, without the neutral one; all where there are no more than `n`. A single
    one is the last, the strongest.

    >>> strengths("low_pass", 3)
    (8000, 2000, 500)
    >>> strengths("pitch_shift", 3)
    (-1, 0.01, 1)
    """
    row = INTERVENTIONS[name]
    there = [strength for strength in row.strengths if strength != row.neutral]
    places = np.linspace(len(there) - 1, 0, min(n, len(there))).round().astype(int)
    return tuple(there[place] for place in sorted(places))


def chosen_tracks(fits: Iterable[Fit], corpus: Corpus, n_tracks: int, *, seed: int) -> list[str]:
    """Draw tested tracks: as many of each genre, and of as many groups, as there can be.

    Of the `fits`, those whose estimators are kept count. Tracks with a planted fault are left out.
    The ids are sorted; all where there are no more than `n_tracks`.
    """
    tested = {track_id for fit in _kept(fits) for track_id in fit.fold.test}
    tracks = corpus.usable.loc[sorted(tested)]
    if "fault" in tracks:
        tracks = tracks[tracks["fault"] == ""]
    drawn = tracks.iloc[rng(seed, "probed tracks").permutation(len(tracks))]
    for column in ("group", "genre"):  # the second of a group after the first of all groups
        drawn = drawn.iloc[np.argsort(drawn.groupby(column).cumcount(), kind="stable")]
    return sorted(drawn.index[:n_tracks])


def unavailable(corpus: Corpus) -> pd.DataFrame:
    """List the interventions that a corpus does not allow, with the ``reason``."""
    reasons = {name: _lacking(corpus, name) for name in INTERVENTIONS}
    rows = [{"intervention": n, "reason": reason} for n, reason in reasons.items() if reason]
    return pd.DataFrame(rows, columns=["intervention", "reason"]).set_index("intervention")


def _lacking(corpus: Corpus, name: str) -> str:
    if corpus.pack is None:
        return ""
    return corpus.lacks("log_mel") or INTERVENTIONS[name].no_mel


def answers(
    fits: Iterable[Fit],
    corpus: Corpus,
    store: Store,
    track_ids: Sequence[str],
    *,
    n_strengths: int,
    seed: int,
    n_jobs: int,
) -> pd.DataFrame:
    """Ask systems about tracks as they are and under every intervention that is possible.

    Each track is asked of the fit that was tested on it, which has not met its group in training;
    of the `fits`, those whose estimators are kept count. What an intervention draws depends on its
    name and the track, not on the strength: a random curve or a noise only grows. Where a pack
    stands in for the audio, its whole log-mel is changed, and other features are made from the
    changed one. `track_ids` are as from :func:`chosen_tracks`, `n_strengths` as in
    :func:`strengths`; the answers do not depend on `n_jobs`.

    One row per system, track and change: ``system, track_id, genre, change, strength, manner``
    (empty), ``predicted, p_<genre>...``. GenrelibError is raised when no fit is kept, or a
    feature can't be had after a change.
    """
    fits = _kept(fits)
    asked, clip_s = _asked(fits), store.configuration["clip_s"]
    done = [name for name in INTERVENTIONS if not _lacking(corpus, name)]
    changes = [Change(UNCHANGED)]
    changes += [Change(name, float(s)) for name in done for s in strengths(name, n_strengths)]
    if corpus.pack is None:
        paths = corpus.tracks["path"]
        tasks = [(i, paths[i], clip_s, changes, asked, seed) for i in track_ids]
        function = of_audio
    else:
        for feature in _features(asked):
            if feature not in FROM_MEL:
                raise GenrelibError(
                    f"{feature} can't be made from a changed log-mel, only {', '.join(FROM_MEL)} "
                    "can; leave the systems out that ask for it."
                )
        tasks = [(i, store, changes, asked, seed) for i in track_ids]
        function = of_mel
    made = spread(function, tasks, n_jobs=n_jobs, label="interventions")
    return _answered(fits, corpus, store, track_ids, made)


def rerecorded(
    fits: Iterable[Fit],
    corpus: Corpus,
    store: Store,
    track_ids: Sequence[str],
    options: Mapping[str, object],
    *,
    n_jobs: int,
) -> pd.DataFrame:
    """Ask systems about other recordings of songs of the controlled corpus.

    Parameters are those of :func:`answers`, and the `options` with which the corpus ``synthetic``
    was loaded. So is the table: ``change`` is one of :data:`~genrelib.robustness.variants.KINDS`,
    ``strength`` NaN, ``manner`` the genre in whose manner it is played. Songs of another corpus
    can't be recorded again: it has no rows.
    """
    fits = _kept(fits)
    if not corpus.is_rendered:
        return _answered(fits, corpus, store, [], iter(()))
    asked, clip_s = _asked(fits), store.configuration["clip_s"]
    variants = controlled_variants(track_ids, **options)
    starts = range(0, len(variants), len(KINDS))
    tasks = [(variants[start : start + len(KINDS)], clip_s, asked) for start in starts]
    made = spread(of_variants, tasks, n_jobs=n_jobs, label="recordings")
    return _answered(fits, corpus, store, track_ids, made)


def _kept(fits: Iterable[Fit]) -> list[Fit]:
    found = kept(fits)
    if not found:
        protocol, repeat = KEPT
        raise GenrelibError(
            f"none of the fits is kept to be asked again; those of {protocol}, repeat {repeat}, "
            "are: add it to the study's protocols."
        )
    return found


def _input(fit: Fit) -> Asked:
    return system(fit.system).feature, fit.size


def _asked(fits: Iterable[Fit]) -> list[Asked]:
    return list(dict.fromkeys(map(_input, fits)))


def _answered(fits, corpus, store, track_ids, made: Iterator[Made]) -> pd.DataFrame:
    """Predict each track's pictures as they come, so that not all are in memory."""
    asked, genre = _asked(fits), corpus.tracks["genre"]
    tested = {i: [fit for fit in fits if i in fit.fold.test] for i in track_ids}
    needed = {fit.path: fit for found in tested.values() for fit in found}
    estimators = {path: experiments.fitted(fit, corpus, store) for path, fit in needed.items()}
    tables = {}
    for track_id, changes, pictures in made:
        for fit in tested[track_id]:
            X = pictures[asked.index(_input(fit))].astype(np.float32)
            truth = pd.Series(genre[track_id], index=range(len(X)))
            table = experiments.predicted(estimators[fit.path], X, truth, fit.genres)
            done = pd.DataFrame(changes).rename(columns={"name": "change"})
            where = {"system": fit.system, "track_id": track_id}
            tables[fit.system, track_id] = table.assign(**where, **done)
    order = [(name, i) for name in dict.fromkeys(fit.system for fit in fits) for i in track_ids]
    columns = ["system", "track_id", "genre", "change", "strength", "manner", "predicted"]
    columns += [f"p_{name}" for name in corpus.genres]
    if not order:
        return pd.DataFrame(columns=columns)
    return pd.concat([tables[key] for key in order], ignore_index=True)[columns]
