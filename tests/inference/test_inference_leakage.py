"""Leakage, in all and by steps: the steps add up, and unanswerable tests don't count."""

import numpy as np
import pandas as pd
import pytest
from helpers.predictions import GROUPS, predictions

from genrelib.base.errors import GenrelibError
from genrelib.inference import decomposition, findings, leakage, scores


def under(*protocols):
    """Predict ever worse under ever stricter protocols."""
    accuracy = np.linspace(1.0, 0.4, len(protocols))
    return pd.concat(predictions(a, protocol=p) for a, p in zip(accuracy, protocols, strict=True))


def steps_of(rows):
    return decomposition(rows, GROUPS, leakage(rows, GROUPS, seed=0), seed=0)


def test_leakage_is_the_difference_of_the_accuracies():
    both = pd.concat([predictions(1.0), predictions(0.0, protocol="artist_grouped")])
    row = leakage(both, GROUPS, seed=0).iloc[0]
    assert row["difference"] == row["low"] == row["high"] == 1
    same = pd.concat([predictions(0.6), predictions(0.6).assign(protocol="artist_grouped")])
    row = leakage(same, GROUPS, seed=0).iloc[0]
    assert row["difference"] == row["low"] == row["high"] == 0


def test_leakage_compares_only_what_both_protocols_make_answerable():
    strict = predictions(protocol="artist_grouped")
    strict.loc[strict["genre"] == "blues", ["genre_trained", "predicted"]] = [False, "rock"]
    row = leakage(pd.concat([predictions(), strict]), GROUPS, seed=0).iloc[0]
    assert row["n_tracks"] == 36
    assert row["difference"] == 0


def test_leakage_needs_both_protocols():
    assert leakage(predictions(), GROUPS, seed=0).empty
    assert steps_of(predictions()).empty
    assert steps_of(predictions(protocol="random_90_10")).empty


def test_the_steps_add_up_to_the_total():
    rows = under("track_random", "size_matched", "artist_only", "artist_grouped")
    table = steps_of(rows.sample(frac=1, random_state=0))
    assert table["step"].tolist() == ["1", "2", "3", "total"]
    assert table["before"].tolist() == [
        "track_random",
        "size_matched",
        "artist_only",
        "track_random",
    ]
    steps, total = table.iloc[:-1], table.iloc[-1]
    assert steps["difference"].sum() == pytest.approx(total["difference"])
    lost = leakage(rows, GROUPS, seed=0).iloc[0]
    names = ["n_tracks", "difference", "low", "high", "p", "p_holm"]
    assert total[names].tolist() == lost[names].tolist()
    assert (table["low"] <= table["difference"]).all()
    assert (table["difference"] <= table["high"]).all()
    assert (table["p"] < 0.05).tolist() == ((table["low"] > 0) | (table["high"] < 0)).tolist()


def test_two_protocols_are_a_total_alone():
    table = steps_of(under("track_random", "artist_grouped"))
    assert table["step"].tolist() == ["total"]


def test_segments_count_as_their_track():
    whole = predictions(0.9)
    pieces = pd.concat([whole.assign(track_id=whole["track_id"] + f"#{n}") for n in range(3)])
    # two of three pieces of each track right
    pieces = pieces.assign(protocol="segment_random", predicted=pieces["genre"])
    pieces.loc[pieces["track_id"].str.endswith("#2"), "predicted"] = "none"
    row = steps_of(pd.concat([pieces, whole])).iloc[0]
    assert (row["before"], row["after"]) == ("segment_random", "track_random")
    assert row["accuracy_before"] == pytest.approx(2 / 3)
    assert row["n_tracks"] == 48


def test_repeats_are_averaged_and_unanswerable_tests_left_out():
    rows = under("track_random", "size_matched", "artist_grouped")
    strict = rows["protocol"] == "artist_grouped"
    again = rows[strict].assign(repeat=1, predicted="none", genre_trained=False)
    once = steps_of(rows)
    pd.testing.assert_frame_equal(steps_of(pd.concat([rows, again])), once)
    rows.loc[strict & (rows["genre"] == "blues"), "genre_trained"] = False
    table = steps_of(rows)
    assert (table["n_tracks"] == 36).all()
    steps, total = table.iloc[:-1], table.iloc[-1]
    assert steps["difference"].sum() == pytest.approx(total["difference"])


def test_a_chain_without_a_common_track_says_so():
    rows = under("track_random", "artist_grouped")
    rows.loc[rows["protocol"] == "artist_grouped", "genre_trained"] = False
    row = steps_of(rows).iloc[0]
    assert row["n_tracks"] == 0
    assert np.isnan(row["difference"])


def test_a_track_without_a_group_is_refused():
    with pytest.raises(GenrelibError, match="have no group"):
        leakage(under("track_random", "artist_grouped"), GROUPS.iloc[1:], seed=0)


def test_findings_tell_the_steps():
    rows = under("track_random", "size_matched", "artist_grouped")
    steps = steps_of(rows)
    said = findings(scores(rows, GROUPS, seed=0), leakage(rows, GROUPS, seed=0), 4, steps=steps)
    change = -100 * steps.set_index("step").loc["2", "difference"]
    sentence = next(s for s in said if s.startswith("Step 2"))
    sure = steps[(steps["step"] == "2") & (steps["p_holm"] < 0.05)]
    assert f"a significant loss for {len(sure)} of 1 systems, a gain for 0" in sentence
    assert f"{change:+.1f} points" in sentence
    assert "from tracks at random, sizes matched to artist-disjoint split" in sentence


def test_a_step_that_is_the_whole_loss_is_not_measured_anew():
    rows = under("segment_track", "track_random", "artist_grouped")
    pieces = rows["protocol"] == "segment_track"
    rows.loc[pieces, "track_id"] += "#0"
    rows.loc[pieces & (rows["genre"] == "rock"), "genre_trained"] = False
    table = steps_of(rows)
    assert table["step"].tolist() == ["1", "2", "total"]
    names = ["n_tracks", "difference", "low", "high", "p", "p_holm"]
    assert table.loc[1, names].tolist() == table.loc[2, names].tolist()
    assert table["n_tracks"].tolist() == [36, 48, 48]


def test_losses_are_corrected_for_their_number():
    names = [f"s{number}" for number in range(20)]
    rows = pd.concat(
        predictions(accuracy, name, protocol)
        for name in names
        for accuracy, protocol in ((0.8, "track_random"), (0.6, "artist_grouped"))
    )
    alone = leakage(rows[rows["system"] == names[0]], GROUPS, seed=0)
    many = leakage(rows, GROUPS, seed=0)
    assert alone["p_holm"][0] == alone["p"][0] == many["p"][0]
    assert many["p_holm"].min() > 10 * many["p"].min()


def test_findings_count_significant_losses_and_gains_of_a_step():
    rows = under("track_random", "artist_grouped")
    step = {"step": "1", "before": "track_random", "after": "size_matched", "taken_away": "size"}
    steps = pd.DataFrame([step] * 5).assign(n_tracks=[48, 48, 48, 48, 1])
    steps = steps.assign(difference=[0.2, 0.1, -0.3, -0.02, 0.0], p_holm=[0.01, 0.5, 0.01, 0.5, 1])
    tables = scores(rows, GROUPS, seed=0), leakage(rows, GROUPS, seed=0), 4
    (said,) = [s for s in findings(*tables, steps=steps) if s.startswith("Step")]
    assert "a significant loss for 1 of 5 systems, a gain for 1." in said
    assert "(taken away: size): -0.0 points at the median system" in said
    nothing = steps.assign(n_tracks=0)
    assert not [s for s in findings(*tables, steps=nothing) if s.startswith("Step")]
