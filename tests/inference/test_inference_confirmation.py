"""The fixed sequence of hypotheses and its power; faults left out; sets of genres."""

import numpy as np
import pandas as pd
import pytest
from helpers.predictions import GROUPS, TRACKS, predictions
from statsmodels.stats.power import TTestPower

from genrelib.base.errors import GenrelibError
from genrelib.base.seeds import rng
from genrelib.inference import (
    DIFFERENCE,
    ClusterBootstrap,
    confirmation,
    conformal,
    faulty,
    leakage,
    scores,
    without_faults,
)
from genrelib.inference.comparisons import power


def fits(lenient, strict, system):
    rates = {"size_matched": lenient, "artist_grouped": strict}
    return [predictions(a, system, protocol) for protocol, a in rates.items()]


def confirmed(*systems):
    rows = pd.concat(part for own in systems for part in own)
    words = {"networks": ["ann", "vit"], "scores": scores(rows, GROUPS, seed=0), "seed": 0}
    return confirmation(rows, GROUPS, **words)


def test_hypotheses_are_tested_in_their_order():
    table = confirmed(fits(1.0, 0.3, "mel_svm"), fits(0.95, 0.9, "ann"), fits(0.9, 0.2, "vit"))
    assert table["hypothesis"].str[:2].tolist() == ["H1", "H2", "H3"]
    assert "ann loses" in table["hypothesis"][1]  # the best network, not the other
    clear = (table["p"] < 0.05).tolist()
    assert clear == [True, False, True]
    assert table["is_confirmed"].tolist() == [True, False, False]  # H2 stops H3
    assert (table["power_in_order"].diff().dropna() <= 0).all()
    np.testing.assert_allclose(table["power_in_order"], table["power"].cumprod())


def test_without_a_network_or_a_protocol_there_is_nothing_to_confirm():
    assert confirmed(fits(0.9, 0.5, "mel_svm")).empty
    assert confirmed(fits(0.9, 0.5, "ann")).empty
    assert confirmed(fits(0.9, 0.5, "mel_svm"), fits(0.9, 0.5, "ann")[1:]).empty


@pytest.mark.parametrize("n", [30, 66, 150])
def test_power_is_students_with_as_many_equal_groups(n):
    values = np.tile([1.0, 0, 0, -1, 1, 0], 11)
    bootstrap = ClusterBootstrap(np.arange(66), rng(0, "power"))
    found = bootstrap.mean(values, DIFFERENCE)
    effect = values.mean() / values.std(ddof=1)
    known = TTestPower().power(effect, n, 0.05)
    assert power(found, n) == pytest.approx(known, abs=0.02)
    assert power(found, n) < power(found, 2 * n)
    none = bootstrap.mean(np.zeros(66), DIFFERENCE)
    assert np.isnan(power(none, n))
    one = ClusterBootstrap(np.zeros(66), rng(0, "power")).mean(values, DIFFERENCE)
    assert np.isnan(power(one, n))
    two = ClusterBootstrap(np.arange(66) % 2, rng(0, "power")).mean(values, DIFFERENCE)
    assert power(two, 2) < power(two, n) < 1


def test_faults_are_planted_or_left_out_of_the_published_split():
    tracks = TRACKS.assign(official_split=["train", ""] * 24)
    assert faulty(tracks, "gtzan_mel_dev").sum() == 24
    assert not faulty(tracks, "fma_small").any()
    planted = tracks.assign(fault=["mislabel", "", "", ""] * 12)
    assert faulty(planted, "synthetic").sum() == 12


def test_without_the_faults_the_others_are_tested():
    rows = pd.concat(fits(0.9, 0.5, "mel_svm"))
    is_faulty = pd.Series(np.arange(48) % 4 == 0, index=TRACKS.index)
    tables = scores(rows, GROUPS, seed=0), leakage(rows, GROUPS, seed=0)
    table = without_faults(rows, *tables, GROUPS, is_faulty, seed=0).set_index(
        ["quantity", "protocol"]
    )
    assert table["n_tracks_without"].tolist() == [36] * 3
    right = rows.assign(right=rows["genre"] == rows["predicted"])
    clean = right[~is_faulty[right["track_id"]].to_numpy()].groupby("protocol")["right"].mean()
    assert table.loc[("accuracy", "size_matched"), "value_without"] == pytest.approx(
        clean["size_matched"]
    )
    loss = table.loc[("loss", "size_matched")]
    gap = clean["size_matched"] - clean["artist_grouped"]
    assert loss["value_without"] == pytest.approx(gap)
    assert loss["value"] == tables[1]["difference"][0]
    assert loss["low_without"] <= gap <= loss["high_without"]
    none = pd.Series(False, index=TRACKS.index)
    assert without_faults(rows, *tables, GROUPS, none, seed=0).empty
    assert without_faults(rows, *tables, GROUPS, ~none, seed=0).empty


def drawn(generator, n):
    """Draw tests whose genres are as probable as stated; each is an artist of its own."""
    p = generator.dirichlet(np.full(4, 0.7), n)
    names = np.array(["blues", "jazz", "metal", "rock"])
    called = names[p.argmax(axis=1)]
    genre = names[(generator.random(n)[:, None] > p.cumsum(axis=1)).sum(axis=1)]
    table = pd.DataFrame(p, columns=[f"p_{name}" for name in names])
    ids = [f"t{i}" for i in range(n)]
    fit = {"system": "svm", "protocol": "artist_grouped", "repeat": 0, "fold": 0}
    return table.assign(track_id=ids, genre=genre, predicted=called, **fit)


@pytest.mark.parametrize("aimed", [0.8, 0.9])
def test_sets_hold_the_right_genre_as_often_as_aimed(aimed):
    generator = rng(0, "conformal")
    rows, valid = drawn(generator, 4000), drawn(generator, 1000)
    groups = pd.Series(rows["track_id"].to_numpy(), index=rows["track_id"])
    row = conformal(rows, valid, groups, aimed=aimed, seed=0).iloc[0]
    assert row["coverage"] == pytest.approx(aimed, abs=0.03)
    assert row["coverage_by_artist"] == pytest.approx(row["coverage"])
    assert row["groups_below"] == pytest.approx(1 - row["coverage"])
    assert 1 < row["size"] < 4


def test_few_validation_tests_promise_nothing_and_all_genres_are_named():
    valid = predictions(0.8, protocol="artist_grouped").head(5)
    rows = predictions(0.8, protocol="artist_grouped")
    row = conformal(rows, valid, GROUPS, aimed=0.9, seed=0).iloc[0]
    assert (row["coverage"], row["size"], row["groups_below"]) == (1, 4, 0)
    assert conformal(rows, valid.iloc[:0], GROUPS, aimed=0.9, seed=0)["n_left_out"][0] == 48
    with pytest.raises(GenrelibError, match=r"aimed=1\.5"):
        conformal(rows, valid, GROUPS, aimed=1.5, seed=0)


def test_artists_count_once_in_their_own_coverage():
    rows = predictions(1.0, protocol="artist_grouped")
    groups = pd.Series(["big"] * 24 + list(rows["track_id"][24:]), index=rows["track_id"])
    wrong = groups[rows["track_id"]].to_numpy() == "big"
    names = [c for c in rows if c.startswith("p_")]
    rows.loc[wrong, names] = np.roll(rows.loc[wrong, names].to_numpy(), 1, axis=1)
    valid = predictions(1.0, protocol="artist_grouped")
    row = conformal(rows, valid, groups, aimed=0.9, seed=0).iloc[0]
    assert row["coverage"] == 0.5
    assert row["coverage_by_artist"] == pytest.approx(24 / 25)
    assert row["groups_below"] == pytest.approx(1 / 25)
