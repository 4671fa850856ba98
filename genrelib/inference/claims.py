"""Claims: what the sources state, beside what comes out here, and a verdict that follows from both.

All numbers of a rerun are those of the scores and of the leakage table; nothing is estimated here
but the interval of the claim itself. ``statements.csv`` beside this module quotes each accuracy,
loss, training accuracy, order of systems and remark on genres of the five sources. A verdict is
withheld where a rerun is too far from its source: a network stopped while its loss still fell,
pictures a fraction of the source's, or half its music.
"""

from collections.abc import Iterable, Mapping
from importlib import resources
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy import stats

from ..corpora import CORPORA
from ..protocols import PROTOCOLS
from ..systems import SYSTEMS
from ..systems.training import PATIENCE, SMOOTHED
from .comparisons import DIFFERS, EQUIVALENT, NOT_KNOWN, judged, paired_accuracies
from .intervals import ALPHA, DIFFERENCE, LEVEL, MATTERS
from .leakage import MATCHED, STRICT
from .scores import bootstrap_of, checked, is_right, tracks_of
from .wording import change, percent, points, title

CLAIM = ["system", "title", "source", "claimed", "claimed_low", "claimed_high", "claim_n", "split"]
CLAIM += [
    f"{name}_{end}" for end in ("split", "artist") for name in ("n", "accuracy", "low", "high")
]
CLAIM += ["n_unanswerable", "accuracy_answerable", "loss_before", "n_both", "loss", "loss_low"]
CLAIM += ["loss_high", "loss_p", "loss_p_holm", "gap", "gap_low", "gap_high", "outcome", "verdict"]

WITHHELD = "withheld"
NOT_UNDER_SPLIT = "not rerun under the source's split"


def claims(
    systems: Iterable,
    scores: pd.DataFrame,
    lost: pd.DataFrame,
    *,
    corpus: str,
    reasons: Mapping[str, str] | None = None,
    withheld: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Put each system's claim beside its rerun, in the source's and in the artist-disjoint split.

    `systems` are rows of the registry; `scores` and `lost` are from
    :func:`genrelib.inference.scores` and :func:`genrelib.inference.leakage`; `reasons` say why
    systems are not available here, `withheld`, from :func:`withheld`, why a rerun is too far from
    its source for a verdict.

    One row per system, accuracies as fractions: ``claimed`` with the exact binomial interval of
    ``claim_n`` tests, NaN if not stated; the accuracy under the source's ``split`` and under
    ``artist_grouped`` (``..._split``, ``..._artist``), over all tests, and ``accuracy_answerable``
    of the latter, without tests whose genre is not in the training data; the ``loss`` from the
    protocol ``loss_before``, on the ``n_both`` tracks of `lost`; ``gap``, rerun less claim, see
    :func:`margin`; ``outcome``, that of :func:`genrelib.inference.judged`, ``withheld`` or empty;
    and the ``verdict`` in words.
    """
    rerun = {(row["system"], row["protocol"]): row for row in scores.to_dict("records")}
    losses = {row["system"]: row for row in lost.to_dict("records")}
    lines = []
    for system in systems:
        name, claim = system.name, np.nan if system.claim is None else system.claim / 100
        low, high = claim_interval(claim, system.claim_n)
        n = np.nan if system.claim_n is None else system.claim_n
        stated = (name, system.title, system.source, claim, low, high, n, system.split)
        line = dict(zip(CLAIM[:8], stated, strict=True))
        for end, protocol in (("split", system.split), ("artist", STRICT)):
            found = rerun.get((name, protocol), {})
            line[f"n_{end}"] = found.get("n_tracks", 0)
            line |= {f"{key}_{end}": found.get(key, np.nan) for key in ("accuracy", "low", "high")}
        line["n_unanswerable"] = found.get("n_tests", np.nan) - found.get("n_answerable", np.nan)
        line["accuracy_answerable"] = found.get("accuracy_answerable", np.nan)
        loss = losses.get(name, {})
        line |= {"loss_before": loss.get("before", ""), "n_both": loss.get("n_tracks", 0)}
        line["loss"] = loss.get("difference", np.nan)
        line |= {f"loss_{key}": loss.get(key, np.nan) for key in ("low", "high", "p", "p_holm")}
        line |= dict(zip(("gap", "gap_low", "gap_high"), margin(line), strict=True))
        unrun = "" if name in set(scores["system"]) else "it was not run"
        reason = (reasons or {}).get(name, unrun)
        words = {"about": system.claim_about, "reason": reason}
        words["withheld"] = (withheld or {}).get(name, "")
        outcome, words = verdict(line, corpus=corpus, **words)
        lines.append(line | {"outcome": outcome, "verdict": words})
    return pd.DataFrame(lines, columns=CLAIM)


def verdict(
    line: Mapping, *, corpus: str, about="GTZAN", reason="", withheld=""
) -> tuple[str, str]:
    """Return what becomes of a claim: the outcome, and a sentence.

    `line` is a row of :func:`claims`, `about` the music of the claim; `reason` says why the system
    is not available here, `withheld` why the rerun allows no verdict.
    """
    if reason:
        return "", f"not available here: {reason}"
    music = "joined" if corpus == "gtzan_fma" else CORPORA[corpus].of_gtzan or "other"
    outcome, words = _on_the_claim(line, music, about, withheld)
    return outcome, f"{words}; {_on_the_loss(line)}"


def _on_the_claim(line, music, about, withheld):
    if np.isnan(line["claimed"]):
        return "", "no figure is claimed"
    is_joined = (music, about) == ("joined", "GTZAN and FMA")
    if music == "other" or (music == "joined" and not is_joined):
        return "", f"the claim is about {about}, not this music"
    if np.isnan(line["accuracy_split"]):
        return "", NOT_UNDER_SPLIT
    gap, low, high = line["gap"], line["gap_low"], line["gap_high"]
    seen = f"the rerun less the claim is {change(gap, low, high)}"
    if music == "part":
        seen += ", on a part of GTZAN, so with fewer tracks to learn from"
    if about != "GTZAN" and not is_joined:
        return "", f"the claim is about {about}; on GTZAN {seen}, which decides nothing"
    if np.isnan(line["claim_n"]):
        seen += " (the source does not state its number of tests)"
    if withheld:
        return WITHHELD, f"no verdict ({withheld}): {seen}"
    outcome = judged(low, high)
    if outcome == DIFFERS:
        return outcome, f"the claim is {'exceeded' if low > 0 else 'not reached'}: {seen}"
    words = "equivalent to the claim" if outcome == EQUIVALENT else "undecided"
    return outcome, f"{words}: {seen}"


def _on_the_loss(line):
    if PROTOCOLS[line["split"]].keeps in ("artist", "group"):
        return "the source's own split is artist-disjoint"
    if np.isnan(line["loss"]):
        return "the loss to the artist-disjoint split was not measured"
    verb = "gains" if line["loss"] < 0 else "loses"
    split = "a random split of equal size" if line["loss_before"] == MATCHED else "tracks at random"
    words = f"with new artists it {verb} {points(line['loss'])}, from {split}"
    if line["n_unanswerable"] > 0:
        words += f", on the {line['n_both']} tracks whose genre is in both training parts"
    return words if line["loss_p_holm"] < ALPHA else f"{words}, which is not significant"


def margin(line: Mapping) -> tuple[float, float, float]:
    """Return rerun less claim with the limits of both (Newcombe 1998; Donner & Zou 2002).

    A claim without a stated number of tests has no limits of its own.
    """
    claim, low, high = line["claimed"], line["claimed_low"], line["claimed_high"]
    low, high = (claim if np.isnan(end) else end for end in (low, high))
    value = line["accuracy_split"]
    lower = np.hypot(value - line["low_split"], high - claim)
    upper = np.hypot(line["high_split"] - value, claim - low)
    return value - claim, value - claim - lower, value - claim + upper


def claim_interval(claim: float, n: int | None) -> tuple[float, float]:
    """Return the exact binomial 95 % interval of a claimed share; NaN if `n` is not stated."""
    if n is None or np.isnan(claim):
        return np.nan, np.nan
    found = stats.binomtest(round(claim * n), n).proportion_ci(LEVEL, method="exact")
    return float(min(found.low, claim)), float(max(found.high, claim))


EPOCHS = {"002_852f636f69ccd60c": 100}  # that a source names: so many are enough, converged or not
PICTURES = {"004_dfb2f7ed32dc8353": (418, 627)}  # bands and frames that a source names
LEAST_PICTURE = 0.25  # share of the source's pixels below which a verdict is withheld
N_GTZAN, LEAST_TRACKS = 1000, 0.5  # its tracks, and the share of them that a verdict needs
CONVERGENCE = ["system", "protocol", "repeat", "fold", "seed", "n_train", "n_epochs", "cap"]
CONVERGENCE += ["hit_cap", "lowest"]
CONVERGENCE += [f"{n}_{at}" for at in ("lowest", "last") for n in ("train_loss", "valid_loss")]
CONVERGENCE += ["converged"]


def convergence(records: pd.DataFrame) -> pd.DataFrame:
    """Say of each fit of a network how far its training went.

    One row per fit: ``n_epochs`` run, of which the last is kept, of at most ``cap``; the epoch with
    the ``lowest`` smoothed validation loss; training and validation loss (nats) at that and at the
    last epoch; and ``converged``, whether the lowest was at least :data:`.PATIENCE` epochs before
    the end.
    """
    lines = []
    for record in records.to_dict("records"):
        curve = pd.DataFrame(record["curve"])
        if curve.empty:
            continue
        losses = curve["valid_loss"].astype(float)
        smoothed = losses.rolling(SMOOTHED, min_periods=1).mean()
        lowest = int(smoothed.idxmin()) + 1 if smoothed.notna().any() else len(curve)
        caps = [int(v) for k, v in record["recipe"].items() if k.endswith("max_epochs")]
        line = {"n_epochs": len(curve), "cap": max(caps), "hit_cap": len(curve) >= max(caps)}
        line |= {"lowest": lowest, "converged": len(curve) - lowest >= PATIENCE}
        for at, row in (("lowest", curve.iloc[int(lowest) - 1]), ("last", curve.iloc[-1])):
            line |= {f"{n}_{at}": row[n] for n in ("train_loss", "valid_loss")}
        lines.append({name: record[name] for name in CONVERGENCE[:6]} | line)
    return pd.DataFrame(lines, columns=CONVERGENCE)


def withheld(systems: Iterable, records: pd.DataFrame, trained: pd.DataFrame) -> dict[str, str]:
    """Return the reasons to withhold the verdict on a system's claim, by its name.

    `systems` are rows of the registry; `trained` is from :func:`convergence`. What counts are the
    fits under the source's split.
    """
    found = {}
    for system in systems:
        own, fits = (
            table[(table["system"] == system.name) & (table["protocol"] == system.split)]
            for table in (records, trained)
        )
        if own.empty:
            continue
        reasons = [*_tracks(own), *_epochs(fits, EPOCHS.get(system.source))]
        reasons += _picture(own, PICTURES.get(system.source))
        if reasons:
            found[system.name] = "; ".join(reasons)
    return found


def _tracks(records):
    n_tracks = int(records[["n_train", "n_valid", "n_test"]].sum(axis="columns").max())
    if n_tracks < LEAST_TRACKS * N_GTZAN:
        yield f"{n_tracks} tracks, where GTZAN has {N_GTZAN}"


def _epochs(fits, stated):
    is_short = ~fits["converged"].astype(bool)
    if stated:
        is_short &= fits["n_epochs"] < stated
    if is_short.any():
        least, most = fits.loc[is_short, "n_epochs"].agg(["min", "max"])
        epochs = f"{least}" if least == most else f"{least} to {most}"
        named = f", of the {stated} that the source names" if stated else ""
        yield (
            f"{is_short.sum()} of {len(fits)} fits ended before the validation loss had settled, "
            f"after {epochs} epochs{named}"
        )


def _picture(records, stated):
    shapes = [shape for shape in records["input_shape"] if np.size(shape) == 2]
    if stated and shapes and np.prod(shapes[0]) < LEAST_PICTURE * np.prod(stated):
        seen, said = (" x ".join(map(str, size)) for size in (shapes[0], stated))
        yield f"pictures of {seen}, the source's have {said}"


STATEMENT = ["source", "kind", "systems", "statement", "claimed", "rerun", "low", "high"]
STATEMENT += ["outcome", "verdict"]
AS_STATED, CONTRARY = "as stated", "contrary"
RENEWED = ("cover", "live")  # whose genre stays, see :mod:`genrelib.robustness.variants`
EASY, HARD = ("classical", "jazz", "reggae"), ("rock", "blues", "pop")
"""Genres on which source 004 finds its network more accurate, and less sure."""


def read_statements() -> pd.DataFrame:
    """Read the statements: ``source, kind, systems, claimed, statement, reason``, as text."""
    with resources.files(__package__).joinpath("statements.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype=str, keep_default_na=False)


def statements(
    predictions: pd.DataFrame,
    groups: pd.Series,
    scores: pd.DataFrame,
    claims: pd.DataFrame,
    records: pd.DataFrame,
    *,
    recordings: pd.DataFrame,
    corpus: str,
    withheld: Mapping[str, str],
    seed: int,
) -> pd.DataFrame:
    """Put every statement of the sources beside its rerun.

    `scores`, `claims` and `withheld` are from the functions of these names, `records` those of the
    fits, `recordings` what :func:`genrelib.robustness.by_kind` says of songs recorded anew. One row
    per statement and, for an accuracy, system: its number ``claimed`` and that of the ``rerun``
    with its interval (accuracies as fractions, losses in nats, orders as the difference of the
    first two systems); ``outcome``, that of the claim, or ``as stated``, ``contrary``,
    ``equivalent``, ``not known`` or ``withheld``, empty where the music of `corpus` decides
    nothing; and the ``verdict``.
    """
    given = predictions, groups, scores, claims, records, recordings
    tables = _Tables(*given, corpus, withheld, seed)
    lines = []
    for row in read_statements().to_dict("records"):
        names = row["systems"].split()
        for own in [[name] for name in names] if row["kind"] == "accuracy" else [names]:
            line = row | {"systems": " ".join(own), **tables.judge(row, own)}
            scale = 1 if row["kind"] == "loss" else 100
            line["claimed"] = float(row["claimed"]) / scale if row["claimed"] else np.nan
            lines.append(line)
    return pd.DataFrame(lines, columns=STATEMENT)


class _Tables:
    """The tables that statements are judged by."""

    def __init__(
        self, predictions, groups, scores, claims, records, recordings, corpus, withheld, seed
    ):
        self.rows, self.groups, self.records = predictions, groups, records
        self.recordings = recordings.set_index(["system", "kind"])
        self.scores = scores.set_index(["system", "protocol"])
        self.claims = claims.set_index("system")
        self.withheld, self.seed = withheld, seed
        self.is_gtzan = bool(CORPORA[corpus].of_gtzan)

    def judge(self, row, names) -> dict:
        """Return ``rerun, low, high, outcome, verdict`` of a statement on systems."""
        if row["reason"]:
            return _said("", f"not rerun: {row['reason']}")
        for name in names:
            if name not in self.scores.index:
                known = self.claims["verdict"].get(name, "not available here: it was not run")
                return _said("", f"{name} {known}")
        found = getattr(self, f"_{row['kind']}")(row, names)
        about = SYSTEMS[names[0]].claim_about
        is_about_this = self.is_gtzan and about == "GTZAN"
        if row["kind"] != "accuracy" and found["outcome"] and not is_about_this:
            words = f"the statement is about {about}, so this decides nothing: {found['verdict']}"
            found |= _said("", words)
        return found

    def _accuracy(self, _row, names):
        (name,) = names
        claim = self.claims.loc[name]
        numbers = {key: claim[f"{key}_split"] for key in ("low", "high")}
        numbers["rerun"] = claim["accuracy_split"]
        return _said(claim["outcome"], claim["verdict"]) | numbers

    def _loss(self, row, names):
        (name,) = names
        place = name, SYSTEMS[name].split
        if place not in self.scores.index:
            return _said("", NOT_UNDER_SPLIT)
        claimed, found = float(row["claimed"]), self.scores.loc[place]
        value, low, high = found[["log_loss", "log_loss_low", "log_loss_high"]]
        gap, least, most = (end - claimed for end in (value, low, high))
        by = f"{gap:+.2f} nats [{least:+.2f}, {most:+.2f}]"
        outcome = NOT_KNOWN if least <= 0 <= most else DIFFERS
        words = f"the rerun less the claim is {by}"
        return self._fair(names, outcome, words, (value, low, high))

    def _order(self, _row, names):
        split, parts, found = SYSTEMS[names[-1]].split, [], []
        own = self.rows[self.rows["system"].isin(names)]
        for protocol in dict.fromkeys([split, STRICT]):
            if set(names) - set(own.loc[own["protocol"] == protocol, "system"]):
                parts.append(f"under {title(protocol, PROTOCOLS)} not all were run")
                continue
            _, accuracies = paired_accuracies(own, self.groups, protocol, self.seed)
            for better, worse in pairwise(names):
                gap = accuracies[better] - accuracies[worse]
                numbers = (gap.value, *gap.interval)
                found += [numbers] if protocol == split else []
                words = f"under {title(protocol, PROTOCOLS)} {better} differs from {worse} by "
                parts.append(words + change(*numbers))
        outcomes = [_direction(*numbers) for numbers in found]
        worst = [one for one in (CONTRARY, NOT_KNOWN, EQUIVALENT, AS_STATED) if one in outcomes]
        return self._fair(names, *worst[:1] or [""], "; ".join(parts), *found[:1])

    def _genres(self, _row, names):
        (name,) = names
        own = checked(self.rows[self.rows["system"] == name])
        own = own[own["protocol"] == SYSTEMS[name].split]
        sides = [own["genre"].isin(side).to_numpy(float) for side in (EASY, HARD)]
        if not all(side.any() for side in sides):
            return _said("", "not rerun: the music has not all of these genres")
        columns = [values for side in sides for values in (is_right(own) * side, side)]
        bootstrap = bootstrap_of(own, self.groups, "genres", seed=self.seed)
        found = bootstrap.estimate(np.column_stack(columns), _gap, DIFFERENCE)
        numbers = (found.value, *found.interval)
        words = f"recall in {', '.join(EASY)} differs from that in {', '.join(HARD)} by "
        return self._fair(names, _direction(*numbers), words + change(*numbers), numbers)

    def _overfitting(self, _row, names):
        fits = convergence(self.records[self.records["system"].isin(names)])
        gap = (fits["valid_loss_last"] - fits["train_loss_last"]).dropna()
        if gap.empty:
            return _said("", "not rerun: no losses of training and validation")
        words = (
            "at the last epoch the validation loss is above the training loss in "
            f"{(gap > 0).sum()} of {len(gap)} fits, by {gap.median():.2f} nats at the median"
        )
        outcome = AS_STATED if (gap > 0).all() else CONTRARY if (gap < 0).all() else NOT_KNOWN
        return _said(outcome, words) | {"rerun": gap.median()}

    def _training(self, row, names):
        (name,) = names
        fits = self.records[self.records["system"] == name]
        fits = fits[fits["protocol"] == SYSTEMS[name].split]
        if "accuracy_train" not in fits or fits["accuracy_train"].isna().all():
            return _said("", "not rerun: these fits did not note what they learnt by heart")
        found = fits["accuracy_train"].mean()
        gap = found - float(row["claimed"]) / 100
        words = f"on the tracks that it learnt from it is right in {percent(found)}"
        return _said(EQUIVALENT if abs(gap) < MATTERS else DIFFERS, words) | {"rerun": found}

    def _renewed(self, _row, names):
        """Say what is lost when songs are recorded anew: the source's own are not to be had."""
        (name,) = names
        keys = [(name, kind) for kind in RENEWED]
        found = [(key[1], self.recordings.loc[key]) for key in keys if key in self.recordings.index]
        if not found:
            return _said("", "not rerun: notebook 08 has no songs recorded anew by this system")
        columns = ["difference", "difference_low", "difference_high"]
        lost = [(kind, change(*row[columns]), row["n"]) for kind, row in found]
        parts = [f"{kind} differs from unchanged by {by} on {n:.0f} songs" for kind, by, n in lost]
        ends = [row[columns[1:]] for _, row in found]
        lower = all(high < 0 for _, high in ends)
        outcome = AS_STATED if lower else NOT_KNOWN if any(low < 0 for low, _ in ends) else CONTRARY
        return _said(outcome, "; ".join(parts))

    def _copy(self, _row, names):
        """Say how often the copy and its original end up on two sides, and what it can add."""
        (name,) = names
        system = SYSTEMS[name]
        folds = self.rows[self.rows["protocol"] == system.split]
        if folds.empty:
            return _said("", NOT_UNDER_SPLIT)
        tested = folds.groupby(["repeat", "fold"])["track_id"].nunique().mean()
        share = tested / len(set(tracks_of(self.rows)))
        return _said(
            AS_STATED,
            f"a planted leak: with {percent(share, 0)} of the tracks tested, in "
            f"{percent(2 * share * (1 - share), 0)} of random draws one of the two copies is "
            "tested and the other is not; it moves the accuracy by at most "
            f"{100 / system.claim_n:.2f} points, one of the source's {system.claim_n} tests",
        )

    def _fair(self, names, outcome, words, numbers=()):
        """Withhold an outcome where the rerun of a system is too far from its source."""
        reasons = [f"{name}: {self.withheld[name]}" for name in names if name in self.withheld]
        if reasons and outcome:
            outcome, words = WITHHELD, f"no verdict ({'; '.join(reasons)}): {words}"
        return _said(outcome, words) | dict(zip(("rerun", "low", "high"), numbers, strict=False))


def _said(outcome, verdict):
    return {"outcome": outcome, "verdict": verdict}


def _direction(value, low, high):
    outcome = judged(low, high)
    return outcome if outcome != DIFFERS else AS_STATED if value > 0 else CONTRARY


def _gap(totals):
    with np.errstate(invalid="ignore", divide="ignore"):
        return totals[..., 0] / totals[..., 1] - totals[..., 2] / totals[..., 3]
