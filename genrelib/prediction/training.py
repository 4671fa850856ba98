"""Training a model: a system fitted on a whole corpus, and what is known of it beforehand.

How often it is right, its temperature and its threshold of novelty come from the folds of the
artist-disjoint split: each track is judged by a fit that has not met its artist.
"""

from collections.abc import Collection
from dataclasses import asdict, replace

import numpy as np
import pandas as pd

from .. import experiments, inference, protocols, systems
from ..base.codetrace import versions
from ..base.errors import GenrelibError
from ..corpora import Corpus
from ..experiments import KEPT, Fit, Settings
from ..inference.calibration import temperatures
from ..store import Store
from ..study import Study
from . import listening, novelty
from .models import Model

STATED = ("accuracy", "low", "high", "n_tests", "log_loss", "ece")

MOST_BESIDE = 10_000  # tracks up to which :func:`beside_a_fold` trains a model


def train(study: Study, system: str, *, leave_out: Collection[str] = ()) -> Model:
    """Fit a system on all usable tracks of a study, but for those to `leave_out`, by their ids.

    Fits under the artist-disjoint split that are done are not repeated: their predictions are read.

    Raises :class:`GenrelibError` for an unknown system, and where :func:`why_not` has a reason.
    """
    reason = why_not(study, system)
    if reason:
        raise GenrelibError(f"no model of {system} on {study.corpus.name}: {reason}")
    store = study.features(dict.fromkeys([systems.system(system).feature, novelty.FEATURE]))
    corpus = study.corpus.without(store.failures["reason"])
    corpus = corpus.without(pd.Series("left out of the model", index=list(leave_out), dtype=str))
    numbers = ("n_folds", "n_repeats", "seed", "epoch_share", "image_size")
    settings = Settings(**{name: study.parameters[name] for name in numbers})
    planned = experiments.plan([system], [KEPT[0]], corpus, store, study.workspace, settings)
    fits = [fit for fit in planned if (fit.fold.protocol, fit.fold.repeat) == KEPT]
    return _trained(fits, corpus, store, study.name, study.seed)


def beside_a_fold(study: Study, system: str) -> tuple[Model | None, list[str], str]:
    """Train a model that has not met the artists whom the first artist-disjoint fold tests.

    Returns it with the ids of those tracks; or None, no ids, and the reason why there is none.
    """
    reason, tracks = why_not(study, system), study.corpus.usable
    if not reason and system not in study.chosen():
        reason = f"this study does not fit {system}"
    if not reason and len(tracks) > MOST_BESIDE:
        reason = f"{len(tracks)} tracks take long; use the command: python -m genrelib train"
    if reason:
        return None, [], reason
    numbers = {"n_folds": study.parameters["n_folds"], "n_repeats": 1, "seed": study.seed}
    try:
        test = protocols.folds(KEPT[0], tracks, **numbers)[0].test
        return train(study, system, leave_out=test), list(test), ""
    except GenrelibError as error:
        return None, [], f"too little music: {error}"


def why_not(study: Study, system: str) -> str:
    """Reason why there can't be a model that takes audio, or an empty string."""
    corpus = study.corpus
    lacking = corpus.lacks(systems.system(system).feature) or corpus.lacks(novelty.FEATURE)
    if lacking or corpus.pack is None:
        return lacking
    try:
        listening.check(corpus.pack.configuration(study.parameters["clip_s"]))
    except GenrelibError as error:
        return str(error)
    return ""


def _trained(fits: list[Fit], corpus: Corpus, store: Store, study: str, seed: int) -> Model:
    """Fit the system on all of the corpus, and judge it by its fits on folds."""
    rows = pd.concat([experiments.tested(fit, corpus, store) for fit in fits], ignore_index=True)
    estimator = experiments.fitted(_on_all(fits[0]), corpus, store)
    tracks, row = corpus.usable, fits[0].row
    values = novelty.summaries(store, list(tracks.index))
    read = novelty.blocks(store, row.feature, list(tracks.index), size=fits[0].size)
    baseline = np.mean([band for X in read for band in X.mean(axis=2)], axis=0)[:, np.newaxis]
    header = {
        "study": study,
        "system": row.name,
        "title": row.title,
        "recipe": asdict(fits[0].recipe),
        "feature": row.feature,
        "size": fits[0].size,
        "genres": list(corpus.genres),
        "corpus": {
            "name": corpus.name,
            "fingerprint": corpus.fingerprint,
            "tracks": len(tracks),
            "artists": int(tracks["artist"].nunique()),
            "is_rendered": corpus.is_rendered,
            "notes": list(corpus.notes),
        },
        "made_with": store.configuration,
        "versions": versions(),
        **_judged(rows, corpus.tracks["group"], seed),
        "novelty": {
            "threshold": _threshold(fits, values, tracks, seed),
            "revision": novelty.REVISION,
            "quantile": novelty.QUANTILE,
            "tracks": len(rows),
        },
    }
    return Model(header, estimator, novelty.Known.of(values, tracks, seed=seed), baseline)


def _on_all(fit: Fit) -> Fit:
    """Return the fit on every track; the validation part still ends a network's training."""
    fold = fit.fold
    return replace(fit, model=None, fold=replace(fold, train=fold.train + fold.test, test=()))


def _judged(rows: pd.DataFrame, groups: pd.Series, seed: int) -> dict:
    """Score the predictions of the folds, as they are and with the other folds' temperature."""
    rows = rows.assign(seed=0)  # each fold has its own, but folds share a temperature here
    together = rows.assign(fold=0)
    others = [rows[rows["fold"] != n].assign(fold=n) for n in sorted(rows["fold"].unique())]
    scaled = inference.calibrated(rows, pd.concat(others))
    before, after = (inference.scores(part, groups, seed=seed).iloc[0] for part in (rows, scaled))
    return {
        "artist_disjoint": {name: float(before[name]) for name in STATED},
        "calibration": {
            "temperature": float(temperatures(together)["temperature"].iloc[0]),
            "log_loss": float(after["log_loss"]),
            "ece": float(after["ece"]),
        },
    }


def _threshold(fits: list[Fit], values: np.ndarray, tracks: pd.DataFrame, seed: int) -> float:
    """Find what the novelty of most music by unknown artists stays below, see :mod:`.novelty`."""
    place = pd.Series(np.arange(len(tracks)), index=tracks.index)
    found = []
    for fit in fits:
        learnt = place[[*fit.fold.train, *fit.fold.valid]].to_numpy()
        known = novelty.Known.of(values[learnt], tracks.iloc[learnt], seed=seed)
        found.append(known.novelty(values[place[list(fit.fold.test)]]))
    return float(np.quantile(np.concatenate(found), novelty.QUANTILE))
