"""One quantity, one number: what two tables or sentences show of the same quantity is equal."""

import doctest
import itertools
import re
import sys
from types import SimpleNamespace

import pandas as pd
import pytest
from helpers.predictions import GROUPS, predictions

from genrelib.inference import (
    calibration,
    claims,
    comparisons,
    controls,
    costs,
    findings,
    ladder,
    leakage,
    primary,
    ranking,
    scores,
    wording,
)

PROTOCOLS = ("random_90_10", "track_random", "size_matched", "artist_grouped")
SYSTEMS = ("mel_svm", "mel_svm_train", "ann")
STRICT = "artist_grouped"
RANGE = ("low", "high")


@pytest.fixture(scope="module")
def tables():
    """Make every table of the analysis from the same predictions; some tests are unanswerable."""
    rows = pd.concat(
        predictions(0.95 - 0.1 * i - 0.12 * j, system, protocol, repeat=repeat)
        for i, system in enumerate(SYSTEMS)
        for j, protocol in enumerate(PROTOCOLS)
        for repeat in range(2)
    ).reset_index(drop=True)
    untrained = (rows["protocol"] == STRICT) & (rows["genre"] == "blues") & (rows["repeat"] == 0)
    rows.loc[untrained, ["genre_trained", "predicted"]] = [False, "rock"]
    records = rows[["system", "protocol", "repeat", "fold"]].drop_duplicates()
    records = records.assign(n_train=36, n_valid=12, n_test=12, n_parameters=5, multiply_adds=5)
    found = {"scores": scores(rows, GROUPS, seed=0), "lost": leakage(rows, GROUPS, seed=0)}
    found["ladder"] = ladder(rows, GROUPS, found["scores"], found["lost"], seed=0)
    found["controls"] = controls(rows, GROUPS, seed=0)
    found["primary"] = primary(rows, GROUPS, ["ann"], seed=0)
    known = [
        SimpleNamespace(
            name=name,
            title=name,
            source="",
            claim=80.0,
            claim_n=100,
            claim_about="GTZAN",
            split="random_90_10",
        )
        for name in SYSTEMS
    ]
    found["claims"] = claims(known, found["scores"], found["lost"], corpus="gtzan")
    found["pairs"] = comparisons(rows, records, GROUPS, protocol=STRICT, seed=0)
    found["ranking"] = ranking(found["pairs"], found["scores"], protocol=STRICT)
    strict = found["scores"][found["scores"]["protocol"] == STRICT]
    found["costs"] = costs(strict, records)
    part = rows[rows["protocol"] == STRICT]
    found["calibration"] = calibration(part, part, GROUPS, seed=0)
    return found


def quantities(tables):
    """Yield the name of each quantity, and the number that a table shows of it."""
    for row in tables["scores"].to_dict("records"):
        for name in ("accuracy", *RANGE, "n_tracks", "log_loss", "brier", "ece"):
            yield (row["system"], row["protocol"], name), row[name]
        if row["protocol"] == STRICT:
            yield (row["system"], STRICT, "answerable"), row["accuracy_answerable"]
            yield (_pair(row["system"], _best_other(tables, row["system"])), "mdd"), row["mdd"]
    for row in tables["claims"].to_dict("records"):
        for end, protocol in (("split", row["split"]), ("artist", STRICT)):
            yield (row["system"], protocol, "n_tracks"), row[f"n_{end}"]
            for name in ("accuracy", *RANGE):
                yield (row["system"], protocol, name), row[f"{name}_{end}"]
        yield (row["system"], STRICT, "answerable"), row["accuracy_answerable"]
        yield (row["system"], "loss", "n_tracks"), row["n_both"]
        yield (row["system"], "loss", "difference"), row["loss"]
        for name in (*RANGE, "p", "p_holm"):
            yield (row["system"], "loss", name), row[f"loss_{name}"]
    for row in tables["lost"].to_dict("records"):
        for name in ("n_tracks", "difference", *RANGE, "p", "p_holm"):
            yield (row["system"], "loss", name), row[name]
    for row in tables["ladder"].dropna(subset="accuracy").to_dict("records"):
        for name in ("accuracy", *RANGE):
            yield (row["system"], row["protocol"], name), row[name]
        if row["protocol"] == STRICT:
            for name in RANGE:
                yield (row["system"], "loss", name), row[f"difference_{name}"]
    for row in tables["primary"].to_dict("records"):
        yield (_pair(row["system"], row["yardstick"]), "difference"), abs(row["difference"])
        yield (_pair(row["system"], row["yardstick"]), "mdd"), row["mdd"]
    for row in tables["ranking"].to_dict("records") + tables["costs"].to_dict("records"):
        for name in ("accuracy", *RANGE):
            yield (row["system"], STRICT, name), row[name]
    for row in tables["calibration"].to_dict("records"):
        yield (row["system"], STRICT, row["metric"]), row["before"]
    for row in tables["pairs"].to_dict("records"):
        yield (_pair(row["a"], row["b"]), "mdd"), row["mdd"]
        yield (_pair(row["a"], row["b"]), "difference"), abs(row["difference"])
    for a, b in itertools.combinations(SYSTEMS, 2):
        one, other = (_accuracy(tables, name) for name in (a, b))
        yield (_pair(a, b), "difference"), abs(one - other)


def _pair(a, b):
    return tuple(sorted((a, b), key=SYSTEMS.index))


def _accuracy(tables, system):
    table = tables["scores"].set_index(["system", "protocol"])
    return table.loc[(system, STRICT), "accuracy"]


def _best_other(tables, system):
    return max((n for n in SYSTEMS if n != system), key=lambda name: _accuracy(tables, name))


def test_every_quantity_has_one_number(tables):
    shown = {}
    for name, value in quantities(tables):
        shown.setdefault(name, []).append(f"{value:.6g}")
    assert {name: values for name, values in shown.items() if len(set(values)) > 1} == {}
    several = [name for name, values in shown.items() if len(values) > 1]
    assert len(several) > 60


def test_the_findings_print_the_numbers_of_the_tables(tables):
    sentences = " ".join(
        findings(
            tables["scores"],
            tables["lost"],
            4,
            comparisons={STRICT: tables["pairs"]},
            primary=tables["primary"],
            controls=tables["controls"],
            ladder=tables["ladder"],
            claims=tables["claims"],
        )
    )
    printed = set(re.findall(r"[+-]\d+\.\d points \[[^]]+\]|\d+\.\d% \[[^]]+\]", sentences))
    known = {
        wording.change(sign * row["difference"], *sorted((sign * row["low"], sign * row["high"])))
        for table in ("lost", "pairs", "primary")
        for row in tables[table].to_dict("records")
        for sign in (1, -1)
    }
    known |= {
        wording.change(row["by_artist"], row["by_artist_low"], row["by_artist_high"])
        for row in tables["lost"].to_dict("records")
    }
    known |= {
        wording.estimate(row["accuracy"], row["low"], row["high"])
        for row in tables["scores"].to_dict("records")
    }
    assert len(printed) >= 5
    assert printed <= known


def test_a_quantity_does_not_depend_on_what_else_is_in_the_table():
    rows = pd.concat(
        predictions(accuracy, system, protocol)
        for system, accuracy in (("mel_svm", 0.8), ("knn", 0.5))
        for protocol in ("track_random", STRICT)
    )
    alone = rows[rows["system"] == "knn"]
    for function in (scores, leakage):
        every, one = (function(part, GROUPS, seed=0) for part in (rows, alone))
        every = every[every["system"] == "knn"].reset_index(drop=True)
        named = [c for c in one if c not in ("mdd", "p_holm")]  # of the family, by definition
        pd.testing.assert_frame_equal(every[named], one[named])


def test_examples():
    for name in ("wording", "intervals", "comparisons"):
        result = doctest.testmod(sys.modules[f"genrelib.inference.{name}"])
        assert result.attempted > 0
        assert result.failed == 0


def test_numbers_read_the_same_everywhere():
    assert wording.estimate(0.43, 0.2434, 0.64) == "43.0% [24.3%, 64.0%]"
    assert wording.change(-0.05, -0.0801, 0.02) == "-5.0 points [-8.0, +2.0]"
    assert wording.title("a new system", {}) == "a new system"
    assert wording.percent(0.5, 0) == "50%"
