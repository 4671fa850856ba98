"""Leakage, in all, by steps, artists and genres; unanswerable tests don't count; the control."""

import numpy as np
import pandas as pd
import pytest
from helpers.predictions import GROUPS, TRACKS, predictions

from genrelib.base.errors import GenrelibError
from genrelib.inference import (
    controls,
    findings,
    genre_losses,
    influence,
    intervals,
    ladder,
    leakage,
    scores,
    variation,
)
from genrelib.inference.leakage import LADDER


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Draw fewer resamples: no test here rests on a digit of an interval."""
    monkeypatch.setattr(intervals, "N_RESAMPLES", 400)


def under(*protocols):
    """Predict ever worse under ever stricter protocols."""
    accuracy = np.linspace(1.0, 0.4, len(protocols))
    return pd.concat(predictions(a, protocol=p) for a, p in zip(accuracy, protocols, strict=True))


def ladder_of(rows):
    scored, lost = scores(rows, GROUPS, seed=0), leakage(rows, GROUPS, seed=0)
    return ladder(rows, GROUPS, scored, lost, seed=0)


def steps_of(rows):
    """The steps alone, without the rungs that are empty or first."""
    return ladder_of(rows).dropna(subset="difference").reset_index(drop=True)


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
    assert controls(predictions(), GROUPS, seed=0).empty
    assert steps_of(predictions()).empty


def test_the_pair_has_matched_sizes_where_they_were_run():
    rows = under("track_random", "size_matched", "artist_grouped")
    other = rows[rows["protocol"] != "size_matched"].assign(system="knn")
    table = leakage(pd.concat([rows, other]), GROUPS, seed=0).set_index("system")
    assert table["before"].to_dict() == {"svm": "size_matched", "knn": "track_random"}
    assert table.loc["svm", "note"] == ""
    assert "fewer tracks to learn from" in table.loc["knn", "note"]
    rates = (
        rows.assign(right=rows["genre"] == rows["predicted"]).groupby("protocol")["right"].mean()
    )
    gap = rates["size_matched"] - rates["artist_grouped"]
    assert table.loc["svm", "difference"] == pytest.approx(gap)


def test_the_steps_add_up_to_the_whole():
    rows = under("track_random", "size_matched", "artist_only", "artist_grouped")
    table = steps_of(rows.sample(frac=1, random_state=0))
    assert table["before"].tolist() == ["track_random", "size_matched", "artist_only"]
    lost = leakage(rows, GROUPS, seed=0).iloc[0]
    assert table["difference"].iloc[1:].sum() == pytest.approx(lost["difference"])
    for step in table.itertuples():
        assert step.difference_low <= step.difference <= step.difference_high
        is_sure = step.difference_low > 0 or step.difference_high < 0
        assert (step.p < 0.05) == is_sure


def test_a_rung_that_was_not_run_is_empty_and_says_why():
    rows = under("track_random", "size_matched", "artist_grouped")
    other = rows[rows["protocol"] != "size_matched"].assign(system="knn")
    table = ladder_of(pd.concat([rows, other])).set_index(["system", "protocol"])
    assert [p for s, p in table.index if s == "svm"] == list(LADDER)
    assert table.loc[("knn", "size_matched"), "reason"] == "not run for this system"
    assert table.loc[("svm", "segment_random"), "reason"] == "not run in this study"
    empty = table[table["reason"] != ""]
    assert empty[["accuracy", "low", "difference", "p"]].isna().all(axis=None)
    assert table.loc[table["reason"] == "", "accuracy"].notna().all()
    whole = leakage(pd.concat([rows, other]), GROUPS, seed=0).set_index("system")
    for name in ("svm", "knn"):  # the last step is the loss of the other table
        step = table.loc[(name, "artist_grouped")]
        assert step["before"] == whole.loc[name, "before"]
        assert step["difference_low"] == whole.loc[name, "low"]


def test_segments_count_as_their_track():
    whole = predictions(0.9)
    pieces = pd.concat([whole.assign(track_id=whole["track_id"] + f"#{n}") for n in range(3)])
    # two of three pieces of each track right
    pieces = pieces.assign(protocol="segment_random", predicted=pieces["genre"])
    pieces.loc[pieces["track_id"].str.endswith("#2"), "predicted"] = "none"
    row = steps_of(pd.concat([pieces, whole])).iloc[0]
    assert (row["before"], row["protocol"]) == ("segment_random", "track_random")
    right = (whole["genre"] == whole["predicted"]).mean()
    assert row["difference"] == pytest.approx(2 / 3 - right)
    assert row["n_both"] == 48


def test_repeats_are_averaged_and_unanswerable_tests_left_out():
    rows = under("track_random", "size_matched", "artist_grouped")
    strict = rows["protocol"] == "artist_grouped"
    again = rows[strict].assign(repeat=1, predicted="none", genre_trained=False)
    names = ["difference", "difference_low", "difference_high", "n_both"]
    once, twice = steps_of(rows), steps_of(pd.concat([rows, again]))
    pd.testing.assert_frame_equal(twice[names], once[names])
    rows.loc[strict & (rows["genre"] == "blues"), "genre_trained"] = False
    assert (steps_of(rows)["n_both"] == 36).all()


def test_a_ladder_without_a_common_track_has_no_steps():
    rows = under("track_random", "artist_grouped")
    rows.loc[rows["protocol"] == "artist_grouped", "genre_trained"] = False
    assert steps_of(rows).empty


def test_each_artist_counts_once_by_artist():
    uneven = pd.Series(["big"] * 10 + list("abcd") * 9 + ["e", "f"], index=GROUPS.index)
    before, after = (predictions(1.0, protocol=p) for p in ("size_matched", "artist_grouped"))
    after.loc[uneven[after["track_id"]].to_numpy() == "big", "predicted"] = "none"
    row = leakage(pd.concat([before, after]), uneven, seed=0).iloc[0]
    assert row["difference"] == pytest.approx(10 / 48)
    assert row["by_artist"] == pytest.approx(1 / 7)
    assert row["by_artist_low"] <= row["by_artist"] <= row["by_artist_high"]


def test_what_those_alone_lose_is_no_leakage():
    """Half of the groups are single tracks; only tracks with company become wrong."""
    alone = np.repeat([True, False], 24)
    groups = GROUPS.where(~alone, GROUPS.index)
    before, after = (predictions(1.0, protocol=p) for p in ("size_matched", "artist_grouped"))
    is_alone = pd.Series(alone, groups.index)[after["track_id"]].to_numpy()
    after.loc[~is_alone & (np.arange(48) % 4 < 2), "predicted"] = "none"
    table = controls(pd.concat([before, after]), groups, seed=0).set_index("tracks")
    assert table["n_tracks"].tolist() == [24, 24, 48]
    assert table["difference"].tolist() == pytest.approx([0, 0.5, 0.5])
    assert table.loc["with others less alone", "low"] > 0
    no_company = controls(pd.concat([before, after]), GROUPS.index.to_series(), seed=0)
    assert no_company["n_tracks"].tolist() == [48, 0]
    assert no_company["difference"].isna().tolist() == [False, True]
    everyone = pd.Series("one", index=GROUPS.index)
    assert controls(pd.concat([before, after]), everyone, seed=0)["n_tracks"].tolist() == [0, 48]


def test_genres_lose_what_their_tracks_lose():
    rows = under("size_matched", "artist_grouped")
    table = genre_losses(rows, GROUPS, TRACKS["genre"], seed=0)
    right = rows.assign(right=rows["genre"] == rows["predicted"])
    known = right.pivot_table("right", "genre", "protocol")
    gap = known["size_matched"] - known["artist_grouped"]
    assert table.set_index("genre")["difference"].to_dict() == pytest.approx(gap.to_dict())
    assert table["n_tracks"].sum() == 48
    assert (table["p"] <= table["p_holm"]).all()
    whole = leakage(rows, GROUPS, seed=0).iloc[0]
    assert np.average(table["difference"], weights=table["n_tracks"]) == pytest.approx(
        whole["difference"]
    )


def test_influence_is_that_of_leaving_an_artist_out():
    rows = under("size_matched", "artist_grouped")
    table = influence(rows, GROUPS, TRACKS["genre"], seed=0, n=100)
    assert table["share"].sum() == pytest.approx(1)
    assert table["n_tracks"].sum() == 48
    assert table["n_lost"].abs().is_monotonic_decreasing
    for row in table.head(3).itertuples():
        rest = rows[GROUPS[rows["track_id"]].to_numpy() != row.group]
        without = leakage(rest, GROUPS, seed=0).iloc[0]
        assert row.loss_without == pytest.approx(without["difference"])


def test_influence_names_the_five_groups_that_move_the_loss_most():
    before, after = (predictions(1.0, protocol=p) for p in ("size_matched", "artist_grouped"))
    sizes = {"a": 8, "b": 7, "c": 6, "d": 5, "e": 4, "f": 3, "g": 15}
    groups = pd.Series(np.repeat(list(sizes), list(sizes.values())), index=TRACKS.index)
    after.loc[groups[after["track_id"]].to_numpy() != "g", "predicted"] = "none"
    genre = TRACKS["genre"].where(groups != "a", ["jazz"] * 3 + ["blues"] * 45)
    table = influence(pd.concat([before, after]), groups, genre, seed=0)
    assert table["group"].tolist() == list("abcde")
    assert table["n_lost"].tolist() == table["n_tracks"].tolist() == [8, 7, 6, 5, 4]
    assert table["share"].tolist() == pytest.approx([n / 33 for n in (8, 7, 6, 5, 4)])
    assert table["loss"].tolist() == pytest.approx([33 / 48] * 5)
    assert table["loss_without"].tolist() == pytest.approx(
        [(33 - n) / (48 - n) for n in (8, 7, 6, 5, 4)]
    )
    assert table["genre"].tolist()[0] == "blues"  # of five of its eight tracks


def test_influence_where_nothing_is_lost_or_all_tracks_are_one_group():
    rows = pd.concat(predictions(1.0, protocol=p) for p in ("size_matched", "artist_grouped"))
    table = influence(rows, GROUPS, TRACKS["genre"], seed=0)
    assert table["share"].isna().all()
    assert (table[["n_lost", "loss", "loss_without"]] == 0).all(axis=None)
    one = pd.Series("one", index=GROUPS.index)
    (row,) = influence(rows, one, TRACKS["genre"], seed=0).to_dict("records")
    assert (row["n_tracks"], row["loss"]) == (48, 0)
    assert np.isnan(row["loss_without"])


def test_the_spread_is_that_of_seeds_folds_and_artists():
    fits = [predictions(0.6, repeat=n).assign(repeat=0, seed=n) for n in range(3)]
    rows = pd.concat(fits).assign(fold=lambda rows: rows["track_id"].str[-2:].astype(int) % 2)
    scored = scores(rows, GROUPS, seed=0)
    row = variation(rows, scored, GROUPS).iloc[0]
    right = rows.assign(right=rows["genre"] == rows["predicted"])
    by_fit = right.groupby(["fold", "seed"])["right"].mean().reset_index()
    by_fit = by_fit.pivot_table("right", "fold", "seed")
    assert row["sd_seeds"] == pytest.approx(np.sqrt(by_fit.var(axis=1).mean()))
    assert row["sd_folds"] == pytest.approx(by_fit.mean(axis=1).std())
    by_group = right.groupby(GROUPS[rows["track_id"]].to_numpy())["right"].mean()
    assert row["sd_artists"] == pytest.approx(by_group.std())
    assert (row["n_seeds"], row["n_folds"]) == (3, 2)
    assert row["se_seeds"] > 0
    one = rows[rows["seed"] == 1]
    row = variation(one, scores(one, GROUPS, seed=0), GROUPS).iloc[0]
    assert row[["sd_seeds", "se_seeds", "sd_partitions"]].isna().all()


def test_the_spread_between_partitions_is_that_of_repeats():
    rows = pd.concat(predictions(share, repeat=n) for n, share in enumerate((0.25, 0.5, 1.0)))
    row = variation(rows, scores(rows, GROUPS, seed=0), GROUPS).iloc[0]
    right = (rows["genre"] == rows["predicted"]).groupby(rows["repeat"]).mean()
    assert row["sd_partitions"] == pytest.approx(right.std())
    assert row["sd_partitions"] > 0.3


def test_a_loss_is_the_mean_over_seeds():
    rows = under("size_matched", "artist_grouped")
    other = pd.concat(
        [
            predictions(0.9, protocol="size_matched", seed=5),
            predictions(0.2, protocol="artist_grouped", seed=5),
        ]
    )
    both = pd.concat([rows.assign(seed=0), other.assign(seed=1)])
    found = leakage(both, GROUPS, seed=0).iloc[0]
    single = [leakage(part, GROUPS, seed=0).iloc[0]["difference"] for part in (rows, other)]
    assert found["difference"] == pytest.approx(np.mean(single))
    assert found["n_tracks"] == 48


def test_a_track_without_a_group_is_refused():
    with pytest.raises(GenrelibError, match="have no group"):
        leakage(under("track_random", "artist_grouped"), GROUPS.iloc[1:], seed=0)


def test_findings_tell_the_steps():
    rows = under("track_random", "size_matched", "artist_grouped")
    rungs = ladder_of(rows)
    tables = scores(rows, GROUPS, seed=0), leakage(rows, GROUPS, seed=0), 4
    said = findings(*tables, ladder=rungs, controls=controls(rows, GROUPS, seed=0))
    step = rungs.set_index("protocol").loc["artist_grouped"]
    sentence = next(s for s in said if s.startswith("Step from “tracks at random, sizes matched”"))
    assert f"{-100 * step['difference']:+.1f} points" in sentence
    clear = int(step["p_holm"] < 0.05)
    assert sentence.endswith(f"{clear} loss{'es' * (clear != 1)}, 0 gains.")
    assert not any(s.startswith("Control") for s in said)  # no track is alone


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
