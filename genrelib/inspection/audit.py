"""What an audit finds: one table for all detectors, held against what is known, made a manifest."""

import itertools
import math
from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from ..base.errors import unknown
from ..corpora.credits import COLUMNS as MANIFEST_COLUMNS

COLUMNS = ("track", "other", "fault", "score", "evidence")
"""Of a table of findings: track ids (`other` is empty for a fault of one track), kind, strength,
and what was measured, in words."""

PAIRED = ("duplicate", "excerpt", "version")  # faults that tie two tracks, the closest tie first
SIGNAL = ("truncated", "silent", "distorted", "format", "bandwidth")  # of one track, as it sounds
FAULTS = (*PAIRED, *SIGNAL, "mislabel")  # every kind of fault that a detector reports

ACTIONS = {
    "duplicate": "exclude",
    "excerpt": "group",
    "version": "group",
    "truncated": "exclude",
    "silent": "exclude",
    "distorted": "exclude",
}
"""What a manifest does about a fault. The others are to be looked at: a track of another format or
bandwidth can still be good music, and of the suspected mislabels many are rightly labelled."""


def table(rows: Iterable[tuple]) -> pd.DataFrame:
    """Return findings in the columns and the order that all detectors share.

    Rows are as :data:`COLUMNS`; they are sorted by kind of fault, as in :data:`FAULTS`, then by
    falling score. Of a pair, the alphabetically later track is `track`, the copy.

    >>> table([("a", "b", "duplicate", 1.0, "equal md5")])[["track", "other"]].values.tolist()
    [['b', 'a']]
    """
    found = pd.DataFrame(list(rows), columns=list(COLUMNS))
    strange = set(found["fault"]) - set(FAULTS)
    if strange:
        raise unknown("fault", min(strange), FAULTS)
    swapped = (found["other"] != "") & (found["track"] < found["other"])
    found.loc[swapped, ["track", "other"]] = found.loc[swapped, ["other", "track"]].to_numpy()
    found["score"] = found["score"].astype(float)
    kind = found["fault"].map(FAULTS.index)
    order = np.lexsort((found["other"], found["track"], -found["score"], kind))
    return found.iloc[order].reset_index(drop=True)


def gathered(*tables: pd.DataFrame) -> pd.DataFrame:
    """Put the findings of several detectors together, each pair under its closest tie.

    Equal findings become one row, with the evidence of both and the larger score. A pair that is a
    duplicate is not an excerpt or a version besides.
    """
    found = table(itertools.chain(*(t[list(COLUMNS)].to_numpy() for t in tables)))
    equal = found.groupby(["track", "other", "fault"], sort=False, as_index=False)
    found = equal.agg({"score": "max", "evidence": "; ".join})  # the closest ties still first
    looser = found["fault"].isin(PAIRED) & found.duplicated(["track", "other"])
    return table(found[~looser].to_numpy())


def evaluate(
    found: pd.DataFrame, tracks: pd.DataFrame, *, faults: Iterable[str] = FAULTS
) -> pd.DataFrame:
    """Compare findings with the faults that are known, those planted in the controlled corpus.

    A finding is right when exactly this track, or this pair, has exactly this fault: a version that
    is reported as an excerpt is a miss and a false alarm. One row per fault that is planted or
    found: ``recall`` and ``precision``, each with its exact 95 % interval (Clopper & Pearson 1934).
    Empty when the corpus has no list of its faults.
    """
    rows = {}
    for fault in faults if "fault" in tracks else ():
        planted = tracks[tracks["fault"] == fault]
        truth = {frozenset((row.Index, row.fault_of)) - {""} for row in planted.itertuples()}
        mine = found[found["fault"] == fault]
        said = {frozenset((row.track, row.other)) - {""} for row in mine.itertuples()}
        if truth or said:
            hits = len(truth & said)
            shares = _share("recall", hits, len(truth)) | _share("precision", hits, len(said))
            rows[fault] = {"planted": len(truth), "found": len(said), "hits": hits} | shares
    columns = ["planted", "found", "hits"]
    columns += [*_share("recall", 0, 0), *_share("precision", 0, 0)]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("fault")


def _share(name: str, hits: int, n: int) -> dict[str, float]:
    if not n:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"), np.nan)
    interval = binomtest(hits, n).proportion_ci(0.95, method="exact")
    return {name: hits / n, f"{name}_low": interval.low, f"{name}_high": interval.high}


def against_titles(found: pd.DataFrame, tracks: pd.DataFrame) -> pd.DataFrame:
    """Count the pairs found by what the tracks table says of the two tracks.

    Two tracks of one title need not be one recording; and whoever wrote the titles could err. So
    this shows agreement, not precision: of ``same artist and title``, ``same artist`` and ``other
    artists``, all ``pairs``, and how many were found as `duplicate`, `excerpt`, `version`.
    """
    pairs = found[found["fault"].isin(PAIRED)]
    one, two = (tracks.loc[pairs[end]].reset_index() for end in ("track", "other"))
    by_artist = one["artist"] == two["artist"]
    by_title = by_artist & (one["title"] == two["title"]) & (one["title"] != "")
    relation = np.select([by_title, by_artist], [0, 1], 2)
    titled = tracks[tracks["title"] != ""]
    sizes = (titled.groupby(["artist", "title"]).size(), tracks.groupby("artist").size())
    n_title, n_artist = (sum(math.comb(n, 2) for n in of) for of in sizes)
    n_all = math.comb(len(tracks), 2)
    names = ("same artist and title", "same artist", "other artists")
    counts = {"pairs": [n_title, n_artist - n_title, n_all - n_artist]}
    for fault in PAIRED:
        mine = relation[(pairs["fault"] == fault).to_numpy()]
        counts[fault] = np.bincount(mine, minlength=3)
    return pd.DataFrame(counts, index=pd.Index(names, name="relation"))


def manifest(found: pd.DataFrame) -> pd.DataFrame:
    """Turn findings into a manifest, which :func:`genrelib.corpora.load` obeys.

    Of a set of duplicates all but the alphabetically first are excluded; excerpts and versions are
    grouped, as nothing is wrong with either of them; see :data:`ACTIONS`. A track is excluded once,
    for its first fault. :mod:`genrelib.corpora.credits` describes the columns.
    """
    rows, excluded = [], set()
    for row in found.itertuples():
        action = ACTIONS.get(row.fault)
        if action == "exclude" and row.track not in excluded:
            excluded.add(row.track)
            reason = f"{row.fault} of {row.other}" if row.other else row.fault
            rows.append((row.track, "exclude", "", reason, row.evidence))
        if action == "group":
            rows.append((row.track, "group", row.other, row.fault, row.evidence))
    listed = pd.DataFrame(rows, columns=list(MANIFEST_COLUMNS))
    return listed.sort_values(["track", "action", "with"], ignore_index=True)
