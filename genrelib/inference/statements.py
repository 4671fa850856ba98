"""Statements: everything that the sources say of results, and what comes out here.

``statements.csv`` beside this module quotes each accuracy, loss, training accuracy, order of
systems and remark on genres of the five sources. A row that can't be rerun says why; all others
are made from the same tables as the claims.
"""

from collections.abc import Mapping
from importlib import resources
from itertools import pairwise

import numpy as np
import pandas as pd

from ..corpora import CORPORA
from ..protocols import PROTOCOLS
from ..systems import SYSTEMS
from .claims import WITHHELD
from .comparisons import (
    DIFFERS,
    EQUIVALENT,
    NOT_KNOWN,
    judged,
    paired_accuracies,
)
from .fidelity import convergence
from .intervals import DIFFERENCE, MATTERS
from .leakage import STRICT
from .scores import bootstrap_of, checked, is_right, tracks_of
from .wording import change, percent, title

COLUMNS = ["source", "kind", "systems", "statement", "claimed", "rerun", "low", "high"]
COLUMNS += ["outcome", "verdict"]
AS_STATED, CONTRARY = "as stated", "contrary"
RENEWED = ("cover", "live")
"""Recordings of known songs whose genre stays, see :mod:`genrelib.robustness.variants`."""
EASY, HARD = ("classical", "jazz", "reggae"), ("rock", "blues", "pop")
"""Genres on which source 004 finds its network more accurate, and less sure."""


def read() -> pd.DataFrame:
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
    per statement and, for an accuracy, system: the quoted ``statement``; its number ``claimed`` and
    that of the ``rerun`` with its interval (accuracies as fractions, losses in nats, orders as the
    difference of the first two systems); ``outcome``, that of the claim, or ``as stated``,
    ``contrary``, ``equivalent``, ``not known`` or ``withheld``, empty where the music of `corpus`
    decides nothing; and the ``verdict``.
    """
    tables = _Tables(
        predictions, groups, scores, claims, records, recordings, corpus, withheld, seed
    )
    lines = []
    for row in read().to_dict("records"):
        names = row["systems"].split()
        for own in [[name] for name in names] if row["kind"] == "accuracy" else [names]:
            line = row | {"systems": " ".join(own), **tables.judge(row, own)}
            scale = 1 if row["kind"] == "loss" else 100
            line["claimed"] = float(row["claimed"]) / scale if row["claimed"] else np.nan
            lines.append(line)
    return pd.DataFrame(lines, columns=COLUMNS)


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
        lacking = [name for name in names if name not in self.scores.index]
        for name in lacking:
            known = self.claims["verdict"].get(name, "not available here: it was not run")
            return _said("", f"{name} {known}")
        found = getattr(self, f"_{row['kind']}")(row, names)
        about = SYSTEMS[names[0]].claim_about
        if (
            row["kind"] != "accuracy"
            and found["outcome"]
            and (not self.is_gtzan or about != "GTZAN")
        ):
            words = f"it is said of {about}, so that this decides nothing: {found['verdict']}"
            found |= _said("", words)
        return found

    def _accuracy(self, _row, names):
        claim = self.claims.loc[names[0]]
        numbers = {key: claim[f"{key}_split"] for key in ("low", "high")}
        numbers["rerun"] = claim["accuracy_split"]
        return _said(claim["outcome"], claim["verdict"]) | numbers

    def _loss(self, row, names):
        claimed, found = float(row["claimed"]), self.scores.loc[(names[0], SYSTEMS[names[0]].split)]
        value, low, high = found[["log_loss", "log_loss_low", "log_loss_high"]]
        gap, least, most = (end - claimed for end in (value, low, high))
        words = f"rerun less claim is {gap:+.2f} nats [{least:+.2f}, {most:+.2f}]"
        outcome = NOT_KNOWN if least <= 0 <= most else DIFFERS
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
                found += [(gap.value, *gap.interval)] if protocol == split else []
                parts.append(
                    f"under {title(protocol, PROTOCOLS)} {better} less {worse} is "
                    f"{change(gap.value, *gap.interval)}"
                )
        outcomes = [_direction(*numbers) for numbers in found]
        worst = [one for one in (CONTRARY, NOT_KNOWN, EQUIVALENT, AS_STATED) if one in outcomes]
        return self._fair(names, *worst[:1] or [""], "; ".join(parts), *found[:1])

    def _genres(self, _row, names):
        own = checked(self.rows[self.rows["system"] == names[0]])
        own = own[own["protocol"] == SYSTEMS[names[0]].split]
        sides = [own["genre"].isin(side).to_numpy(float) for side in (EASY, HARD)]
        if not all(side.any() for side in sides):
            return _said("", "not rerun: the music has not all of these genres")
        columns = [values for side in sides for values in (is_right(own) * side, side)]
        bootstrap = bootstrap_of(own, self.groups, "genres", seed=self.seed)
        found = bootstrap.estimate(np.column_stack(columns), _gap, DIFFERENCE)
        numbers = (found.value, *found.interval)
        words = f"recall in {', '.join(EASY)} less that in {', '.join(HARD)} is "
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
        fits = self.records[self.records["system"] == names[0]]
        fits = fits[fits["protocol"] == SYSTEMS[names[0]].split]
        if "accuracy_train" not in fits or fits["accuracy_train"].isna().all():
            return _said("", "not rerun: these fits did not note what they learnt by heart")
        found = fits["accuracy_train"].mean()
        gap = found - float(row["claimed"]) / 100
        words = f"on the tracks that it learnt from it is right in {percent(found)}"
        return _said(EQUIVALENT if abs(gap) < MATTERS else DIFFERS, words) | {"rerun": found}

    def _renewed(self, _row, names):
        """Say what is lost when songs are recorded anew: the source's own are not to be had."""
        found = [
            (kind, self.recordings.loc[(names[0], kind)])
            for kind in RENEWED
            if (names[0], kind) in self.recordings.index
        ]
        if not found:
            return _said("", "not rerun: notebook 08 has no songs recorded anew by this system")
        parts = [
            f"{kind} less unchanged is "
            f"{change(row['difference'], row['difference_low'], row['difference_high'])} "
            f"on {row['n']:.0f} songs"
            for kind, row in found
        ]
        ends = [(row["difference_low"], row["difference_high"]) for _, row in found]
        lower = all(high < 0 for _, high in ends)
        outcome = AS_STATED if lower else NOT_KNOWN if any(low < 0 for low, _ in ends) else CONTRARY
        return _said(outcome, "; ".join(parts))

    def _copy(self, _row, names):
        """Say how often the copy and its original end up on two sides, and what it can add."""
        system = SYSTEMS[names[0]]
        folds = self.rows[self.rows["protocol"] == system.split]
        if folds.empty:
            return _said("", "not rerun under the source's split")
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
