"""One system on one published split, from the features to the figure: what opens a sealed test.

A system learns from the training part, then from training and validation together, and the test
part is scored each time; without a test part, validation is scored by what was learnt from
training. A network that needs tracks to stop on gets the validation part, or an artist-disjoint
fifth of what it would learn from where that part is scored or learnt from, too.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from .. import corpora, protocols, store, systems
from ..base.errors import GenrelibError
from ..base.files import Workspace, replacing
from ..base.parallel import one_thread
from ..base.seeds import derive, rng
from ..corpora import Corpus, gtzan
from ..experiments import Fit, fitted, predicted
from ..inference.intervals import ClusterBootstrap
from ..store import Store

CLIP_S = 30.0  # seconds of each track of a corpus of audio


@dataclass(frozen=True)
class Trial:
    """What is learnt from, what a network stops on, and what is scored: track ids."""

    name: str
    learnt: tuple[str, ...]
    stops: tuple[str, ...]
    scored: tuple[str, ...]


def load(names: Sequence[str], workspace: Workspace, tracks: Path | None) -> Corpus:
    """Load a corpus by name, a shared pack (``.h5``), or files of log-mel levels (``.npz``).

    `tracks`, a CSV with the columns track_id, genre, artist, title, group and official_split, tells
    what the levels are of; by default they are GTZAN's.
    """
    if not all(name.endswith(".npz") for name in names):
        if len(names) > 1:
            raise GenrelibError(f"{', '.join(names)}: several can be read only if all are .npz.")
        name = names[0]
        named = ("pack", {"file": name}) if name.endswith(".h5") else (name, {})
        return corpora.load(named[0], workspace.data, **named[1])
    if tracks is None:
        known = gtzan.annotations(workspace.data / "raw" / "downloads")
    else:
        known = pd.read_csv(tracks, dtype=str, keep_default_na=False).set_index("track_id")
    return corpora.of_levels([Path(name) for name in names], known)


def trials(protocol: str, tracks: pd.DataFrame, *, seed: int) -> list[Trial]:
    """List what is learnt and scored of the usable tracks of a published split."""
    if not protocols.protocol(protocol).is_published:
        published = [name for name, row in protocols.PROTOCOLS.items() if row.is_published]
        raise GenrelibError(f"protocol {protocol!r} is drawn anew; take {' or '.join(published)}.")
    parts = {n: tuple(tracks.index[tracks["official_split"] == n]) for n in protocols.PARTS}
    train, valid, test = parts.values()
    if not train or not (valid or test):
        sizes = ", ".join(f"{name} {len(ids)}" for name, ids in parts.items())
        raise GenrelibError(
            f"official_split has {sizes} of {len(tracks)} tracks; tracks to train on and to test "
            "or validate are needed. Take a corpus that was published with a split."
        )
    if not test:
        return [Trial("train", train, _piece(train, tracks, seed), valid)]
    found = [Trial("train", train, valid or _piece(train, tracks, seed), test)]
    if valid:
        both = (*train, *valid)
        found.append(Trial("train and valid", both, _piece(both, tracks, seed), test))
    return found


def _piece(ids, tracks, seed) -> tuple[str, ...]:
    """Take an artist-disjoint fifth to stop on; nothing where artists are too few."""
    rows, numbers = tracks.loc[list(ids)], {"n_folds": 5, "n_repeats": 1, "seed": seed}
    try:
        split = protocols.folds("artist_grouped", rows, **numbers)
    except GenrelibError:
        return ()
    return split[0].test


def score(
    system: str, protocol: str, corpus: Corpus, features: Store, *, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit and score a system; return scores and predictions.

    Scores have a row per trial and selection of tests, all of them, and those without an artist, or
    a group, that was learnt from, with the 95 % interval over groups. Predictions are as
    :func:`genrelib.experiments.predictions.write` has them, with ``learnt`` and ``known_group``.
    """
    tracks, row = corpus.usable, systems.system(system)
    scores, tables = [], []
    for trial in trials(protocol, tracks, seed=derive(seed, "score", protocol)):
        protocols.check(protocols.Fold(protocol, 0, 0, trial.learnt, (), trial.scored), tracks)
        own, clip_s = derive(seed, system, protocol, trial.name), features.configuration["clip_s"]
        recipe = systems.recipe(n_classes=len(corpus.genres), seed=own, clip_s=clip_s)
        stops = trial.stops if row.validates else ()
        learnt = tuple(i for i in trial.learnt if i not in stops)
        fold = protocols.Fold(protocol, 0, 0, learnt, stops, trial.scored)
        fit = Fit(system, fold, corpus.genres, recipe, data="", path=Path())  # is not kept
        estimator, X = fitted(fit, corpus, features), fit.read(features, trial.scored)
        with one_thread():
            table = predicted(estimator, X, tracks.loc[list(trial.scored), "genre"], corpus.genres)
        seen = {*trial.learnt, *stops}
        group = tracks.loc[list(trial.scored), "group"]
        is_known = group.isin(tracks.loc[sorted(seen), "group"])
        tables.append(table.assign(learnt=trial.name, known_group=is_known))
        for tests, mask in (("all", is_known | True), ("no known artist", ~is_known)):
            where = {"learnt": trial.name, "tests": tests}
            scores.append(where | _score(table[mask], group, seed))
    return pd.DataFrame(scores), pd.concat(tables).rename_axis("track_id")


def _score(rows, group, seed) -> dict[str, float]:
    if rows.empty:
        return {"n": 0, "n_groups": 0, "accuracy": np.nan, "low": np.nan, "high": np.nan}
    clusters = group[rows.index]
    right = (rows["genre"] == rows["predicted"]).to_numpy(float)
    found = ClusterBootstrap(clusters.to_numpy(), rng(seed, "score")).mean(right, (0.0, 1.0))
    return {"n": len(rows), "n_groups": clusters.nunique(), **found.named("accuracy")}


def run(
    system: str,
    names: Sequence[str],
    protocol: str,
    workspace: Workspace,
    *,
    tracks: Path | None = None,
    to: Path | None = None,
    seed: int = 0,
) -> str:
    """Load, fit, score; write both tables into the folder `to`; say what was found."""
    row = systems.system(system)
    corpus = load(names, workspace, tracks)
    if lacking := corpus.lacks(row.feature):
        raise GenrelibError(f"{system} can't be scored on this corpus: {lacking}.")
    clip_s = CLIP_S if corpus.pack is None else corpus.pack.duration_s
    trials(protocol, corpus.usable, seed=seed)  # refused before anything is computed
    to = Path(to or workspace.root / "reports" / "score")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.h5"
        built = store.build(corpus, [row.feature], path, clip_s=clip_s, n_jobs=1)
        scores, predictions = score(system, protocol, corpus, store.open_store(built), seed=seed)
    for name, table in (("scores", scores.set_index("learnt")), ("predictions", predictions)):
        with replacing(to / f"{system}_{protocol}_{name}.csv") as temporary:
            table.to_csv(temporary, float_format="%.6g", lineterminator="\n")
    shown = scores.to_string(index=False, float_format=lambda value: f"{value:.3f}")
    has_test = bool((corpus.usable["official_split"] == "test").any())
    part = "test part" if has_test else "validation part (this corpus has no test part)"
    return f"{system} on the {part} of {protocol}; intervals are over groups of artists\n{shown}"
