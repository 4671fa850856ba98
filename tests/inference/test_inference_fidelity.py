"""How far training went, when a verdict is withheld, and what becomes of each statement."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.predictions import GROUPS, predictions

from genrelib.inference import (
    claims,
    convergence,
    intervals,
    leakage,
    scores,
    statements,
    withheld,
)
from genrelib.inference.claims import STATEMENT, read_statements
from genrelib.systems import SYSTEMS


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Draw fewer resamples: no digit of an interval is looked at."""
    monkeypatch.setattr(intervals, "N_RESAMPLES", 300)


def record(losses, system="cnn_2d", *, cap=100, shape=(64, 128), n=900, **more):
    """Describe a fit whose validation loss is `losses`, and its accuracy highest at their least."""
    curve = [
        {"epoch": i, "train_loss": 2.0 - 0.01 * i, "valid_loss": loss, "valid_acc": -loss}
        for i, loss in enumerate(losses, 1)
    ]
    sizes = {"n_train": n - 200, "n_valid": 100, "n_test": 100}
    fit = {"system": system, "protocol": SYSTEMS[system].split, "repeat": 0, "fold": 0, "seed": 1}
    return (
        fit
        | sizes
        | {"curve": curve, "recipe": {"net__max_epochs": str(cap)}}
        | more
        | {"input_shape": list(shape)}
    )


def falling(n):
    return list(np.linspace(2.0, 1.0, n))


def settled(n, waited):
    """Fall for so long, then rise while training waits."""
    return falling(n) + list(np.linspace(1.3, 2.0, waited))


def table_of(*records):
    return convergence(pd.DataFrame(records))


def test_a_fit_is_described_by_its_curve():
    row = table_of(record(settled(30, 25), cap=60)).iloc[0]
    assert (row["n_epochs"], row["cap"], row["hit_cap"]) == (55, 60, False)
    assert row["lowest"] == 30
    assert row["valid_loss_lowest"] == 1.0
    assert row["valid_loss_last"] == 2.0
    assert row["train_loss_lowest"] == pytest.approx(1.7)
    assert row["train_loss_last"] == pytest.approx(1.45)
    assert row["converged"]


@pytest.mark.parametrize(
    ("losses", "cap", "converged", "hit"),
    [
        (falling(30), 30, False, True),
        (settled(30, 15), 100, False, False),
        (settled(30, 21), 51, True, True),
        (settled(30, 20), 100, True, False),
        (settled(30, 19), 100, False, False),
        # one lucky epoch near the end is no lower loss on average
        ([*settled(20, 29), 0.99], 50, True, True),
    ],
)
def test_convergence_waits_for_the_smoothed_loss(losses, cap, converged, hit):
    row = table_of(record(losses, cap=cap)).iloc[0]
    assert (row["converged"], row["hit_cap"]) == (converged, hit)


def test_the_smoothed_loss_is_a_mean_of_five_epochs_or_as_many_as_there_are():
    rising = table_of(record(np.linspace(1.0, 2.0, 30))).iloc[0]
    assert (rising["lowest"], rising["converged"]) == (1, True)
    # means of five, from the fifth: 8.2, 6.6, 5.0, 3.4, 3.2, 3.4
    losses = [9, 9, 9, 9, 5, 1, 1, 1, 8, 6]
    assert table_of(record(losses)).iloc[0]["lowest"] == 9


def test_without_a_validation_loss_nothing_has_settled():
    row = table_of(record([np.nan] * 30)).iloc[0]
    assert (row["lowest"], row["converged"]) == (30, False)


def test_each_fit_has_its_line_under_its_names():
    fits = [record(falling(30), repeat=r, fold=f, seed=s) for r, f, s in ((0, 1, 7), (2, 3, 8))]
    found = table_of(*fits)
    assert found[["repeat", "fold", "seed"]].to_numpy().tolist() == [[0, 1, 7], [2, 3, 8]]
    assert found["system"].tolist() == ["cnn_2d"] * 2
    assert found["protocol"].tolist() == ["track_random"] * 2
    assert found["n_train"].tolist() == [700] * 2


def test_systems_without_epochs_do_not_count():
    found = table_of(record([], "mel_svm"), record(falling(30)))
    assert found["n_epochs"].tolist() == [30]


@pytest.mark.parametrize(
    ("fit", "reason"),
    [
        (record(settled(30, 25)), None),
        (record(falling(100)), None),  # as many epochs as the source names
        (
            record(falling(57)),
            "1 of 1 fits ended before the validation loss had settled, after 57 epochs, of the 100 "
            "that the source names",
        ),
        (record(falling(99)), "after 99 epochs"),
        (record(settled(30, 25), n=400), "400 tracks, where GTZAN has 1000"),
        (record(settled(30, 25), n=499), "499 tracks, where GTZAN has 1000"),
        (record(settled(30, 25), n=500), None),
        (record(settled(30, 25), "resnet18"), "pictures of 64 x 128, the source's have 418 x 627"),
        (record(settled(30, 25), "resnet18", shape=(209, 314)), None),  # a quarter is enough
        (record(settled(30, 25), "resnet18", shape=(209, 313)), "pictures of 209 x 313"),
        (record(falling(30), "cnn_segments", cap=30), "after 30 epochs"),
        (record([], "mel_svm", shape=(1,)), None),
    ],
)
def test_a_verdict_is_withheld_below_a_stated_fidelity(fit, reason):
    records = pd.DataFrame([fit])
    found = withheld(SYSTEMS.values(), records, convergence(records))
    assert (fit["system"] in found) == (reason is not None)
    assert reason is None or reason in found[fit["system"]]


def test_only_fits_under_the_sources_split_count_and_all_reasons_are_given():
    strict = {"protocol": "artist_grouped"}
    fits = [record(falling(n), n=400) for n in (30, 57, 100)]
    records = pd.DataFrame([*fits, record(falling(12), **strict), record(falling(9), "vit")])
    found = withheld(SYSTEMS.values(), records, convergence(records))
    assert found["cnn_2d"] == (
        "400 tracks, where GTZAN has 1000; 2 of 3 fits ended before the validation loss had "
        "settled, after 30 to 57 epochs, of the 100 that the source names"
    )
    assert found["vit"].startswith("1 of 1 fits ended before the validation loss had settled, af")
    alone = pd.DataFrame([record(falling(12), n=400, **strict)])
    assert withheld(SYSTEMS.values(), alone, convergence(alone)) == {}


def test_the_statements_are_those_of_the_five_sources():
    known = read_statements()
    assert known["source"].str[:3].value_counts().to_dict() == {
        "000": 1, "001": 3, "002": 6, "003": 14, "004": 12
    }  # fmt: skip
    for row in known.to_dict("records"):
        assert set(row["systems"].split()) <= set(SYSTEMS)
        if row["kind"] == "accuracy":  # the same number as the registry's
            assert {SYSTEMS[n].claim for n in row["systems"].split()} == {float(row["claimed"])}


def stated(corpus="gtzan", held=None, **accuracy):
    """Judge the statements on systems of given accuracies, each under its source's split."""
    rows = pd.concat(
        predictions(a, name, protocol)
        for name, a in accuracy.items()
        for protocol in dict.fromkeys((SYSTEMS[name].split, "track_random", "artist_grouped"))
    ).reset_index(drop=True)
    return judged_by(rows, corpus=corpus, held=held)


def judged_by(rows, *records, corpus="gtzan", held=None, anew=(-0.3, -0.5, -0.1)):
    """Judge the statements by predictions, fits, and what songs recorded anew lose."""
    scored, lost = scores(rows, GROUPS, seed=0), leakage(rows, GROUPS, seed=0)
    table = claims(SYSTEMS.values(), scored, lost, corpus=corpus, withheld=held)
    records = records or (record(falling(30), "nn"), record([], "svm", accuracy_train=0.97))
    lines = [("unchanged", (0, 0, 0)), ("cover", anew), ("live", (-0.3, -0.5, -0.1))]
    names = ["system", "kind", "difference", "difference_low", "difference_high", "n"]
    lines = [("resnet18", kind, *loss, 100) for kind, loss in lines]
    words = {"corpus": corpus, "withheld": held or {}, "seed": 0}
    words["recordings"] = pd.DataFrame(lines, columns=names)
    found = statements(rows, GROUPS, scored, table, pd.DataFrame(records), **words)
    assert list(found.columns) == STATEMENT
    return found.set_index(["kind", "systems"]), scored.set_index(["system", "protocol"])


@pytest.fixture
def resnet_on_gtzan(monkeypatch):
    """Let the source of resnet18 have measured on GTZAN alone, so that its statements count."""
    row = replace(SYSTEMS["resnet18"], claim_about="GTZAN")
    monkeypatch.setitem(SYSTEMS, "resnet18", row)


def test_orders_and_losses_are_judged_by_their_intervals():
    found, scored = stated(cnn_lstm=0.9, cnn_2d=0.4, resnet18=0.3, vit=0.3)
    order = found.loc[("order", "cnn_lstm cnn_2d")]
    assert order["outcome"] == "as stated"
    gap = scored.loc[("cnn_lstm", "track_random")] - scored.loc[("cnn_2d", "track_random")]
    assert order["rerun"] == pytest.approx(gap["accuracy"])
    assert 0 < order["low"] < order["rerun"] < order["high"]
    loss = found.loc[("loss", "cnn_2d")]
    assert loss["rerun"] == pytest.approx(scored.loc[("cnn_2d", "track_random"), "log_loss"])
    assert (loss["claimed"], loss["outcome"]) == (1.36, "differs")
    assert found.loc[("accuracy", "cnn_2d"), "claimed"] == 0.59
    contrary, _ = stated(cnn_lstm=0.4, cnn_2d=0.9)
    assert contrary.loc[("order", "cnn_lstm cnn_2d"), "outcome"] == "contrary"
    unknown, _ = stated(cnn_lstm=0.6, cnn_2d=0.55)
    assert unknown.loc[("order", "cnn_lstm cnn_2d"), "outcome"] == "not known"


def test_a_chain_is_as_stated_only_when_every_link_is():
    sure, _ = stated(svm=0.95, gmm=0.6, nn=0.25, cnn_stack=0.0)
    chain = ("order", "svm gmm nn cnn_stack")
    assert sure.loc[chain, "outcome"] == "as stated"
    learnt = sure.loc[("training", "svm")]
    assert (learnt["claimed"], learnt["rerun"], learnt["outcome"]) == (1.0, 0.97, "equivalent")
    assert sure.loc[("training", "nn"), "verdict"].startswith("not rerun: these fits did not note")
    assert sure.loc[("overfitting", "nn cnn_stack"), "outcome"] == "contrary"
    mixed, _ = stated(svm=0.95, gmm=0.6, nn=0.0, cnn_stack=0.3)
    assert mixed.loc[chain, "outcome"] == "contrary"


def test_what_cannot_be_judged_says_why():
    held = {"cnn_2d": "30 of 100 epochs"}
    found, _ = stated(held=held, cnn_lstm=0.9, cnn_2d=0.4, resnet18=0.9, knn=0.1)
    assert found.loc[("order", "cnn_lstm cnn_2d"), "outcome"] == "withheld"
    assert "30 of 100 epochs" in found.loc[("loss", "cnn_2d"), "verdict"]
    order = found.loc[("order", "resnet18 knn")]  # said of GTZAN and other songs
    assert order["outcome"] == ""
    assert "decides nothing" in order["verdict"]
    renewed = found.loc[("renewed", "resnet18"), "verdict"]
    lost = "cover differs from unchanged by -30.0 points [-50.0, -10.0] on 100 songs; live"
    assert lost in renewed
    assert "recall in" in found.loc[("genres", "resnet18"), "verdict"]
    assert "not available" in found.loc[("accuracy", "svm"), "verdict"]
    assert (found["verdict"] != "").all()
    elsewhere, _ = stated("folder", cnn_lstm=0.9, cnn_2d=0.4)
    assert set(elsewhere["outcome"]) == {""}


def test_the_planted_copy_can_move_one_test():
    found, _ = stated(cnn_segments=0.5)
    words = found.loc[("copy", "cnn_segments"), "verdict"]
    assert "at most 0.33 points, one of the source's 300 tests" in words


def under(system, **accuracy):
    """Predict with one system, under protocols of the given accuracies."""
    return [predictions(a, system, protocol) for protocol, a in accuracy.items()]


def test_an_order_is_judged_under_the_sources_split_alone():
    split = ("order", "cnn_lstm cnn_2d")
    ends = under("cnn_lstm", track_random=1.0, artist_grouped=0.0)
    others = under("cnn_2d", track_random=0.0, artist_grouped=1.0)
    found, _ = judged_by(pd.concat([*ends, *others], ignore_index=True))
    assert found.loc[split, "outcome"] == "as stated"
    assert found.loc[split, ["rerun", "low", "high"]].tolist() == [1, 1, 1]
    assert found.loc[split, "verdict"] == (
        "under tracks at random cnn_lstm differs from cnn_2d by +100.0 points [+100.0, +100.0]; "
        "under artist-disjoint split cnn_lstm differs from cnn_2d by -100.0 points [-100.0, -100.0]"
    )
    found, _ = judged_by(pd.concat([*ends, others[0]], ignore_index=True))
    assert found.loc[split, "outcome"] == "as stated"
    assert found.loc[split, "verdict"].endswith("; under artist-disjoint split not all were run")
    found, _ = judged_by(pd.concat([*ends, others[1]], ignore_index=True))
    assert found.loc[split, "outcome"] == ""
    assert found.loc[split, "verdict"].startswith("under tracks at random not all were run; under")


def test_a_chain_with_an_equal_link_is_equivalent():
    rows = pd.concat(
        [
            predictions(1.0, "svm", "random_90_10"),
            *(predictions(0.0, name, "random_90_10") for name in ("gmm", "nn", "cnn_stack")),
        ],
        ignore_index=True,
    )
    chain = judged_by(rows)[0].loc[("order", "svm gmm nn cnn_stack")]
    assert (chain["outcome"], chain["rerun"]) == ("equivalent", 1)  # of the first two
    assert chain["verdict"].count(" differs from ") == 3


def test_a_loss_like_the_claimed_one_is_not_told_from_it():
    found, scored = stated(cnn_2d=0.71)
    row, rerun = found.loc[("loss", "cnn_2d")], scored.loc[("cnn_2d", "track_random")]
    assert row["outcome"] == "not known"
    assert row["low"] < 1.36 < row["high"]
    gaps = [rerun[f"log_loss{end}"] - 1.36 for end in ("", "_low", "_high")]
    assert row["verdict"] == "the rerun less the claim is {:+.2f} nats [{:+.2f}, {:+.2f}]".format(
        *gaps
    )


@pytest.mark.parametrize(
    ("wrong", "gap", "outcome"),
    [
        (("blues", "metal"), 50, "as stated"),
        (("blues", "rock", "metal"), 100, "as stated"),
        (("jazz", "metal"), -100, "contrary"),
        (("metal",), 0, "equivalent"),
    ],
)
@pytest.mark.usefixtures("resnet_on_gtzan")
def test_recall_is_compared_between_the_genres_named(wrong, gap, outcome):
    """Of the easy genres there is jazz, of the hard ones blues and rock; metal is neither."""
    rows = predictions(1.0, "resnet18", "random_60_20_20")
    rows.loc[rows["genre"].isin(wrong), "predicted"] = "none"
    row = judged_by(rows)[0].loc[("genres", "resnet18")]
    assert row["rerun"] == gap / 100
    assert row["low"] <= row["rerun"] <= row["high"]
    assert row["outcome"] == outcome
    assert row["verdict"].startswith(
        "recall in classical, jazz, reggae differs from that in rock, blues, pop by "
        f"{gap:+.1f} points ["
    )


def test_recall_needs_genres_of_both_kinds_under_the_sources_split():
    rows = predictions(1.0, "resnet18", "random_60_20_20")
    for genre in ("jazz", "blues"):
        some = pd.concat([rows[rows["genre"] == genre], predictions(1.0, "resnet18")])
        verdict = judged_by(some)[0].loc[("genres", "resnet18"), "verdict"]
        assert verdict == "not rerun: the music has not all of these genres"


@pytest.mark.parametrize(
    ("last", "outcome", "words"),
    [
        ((1.9, 2.0, 2.3), "as stated", "3 of 3 fits, by 0.30 nats at the median"),
        ((1.5, 2.0, 2.3), "not known", "2 of 3 fits, by 0.30 nats at the median"),
        ((1.7,), "not known", "0 of 1 fits, by 0.00 nats at the median"),
        ((1.5, 1.6), "contrary", "0 of 2 fits, by -0.15 nats at the median"),
    ],
)
def test_overfitting_is_a_higher_loss_in_validation(last, outcome, words):
    """The training loss of the last of 30 epochs is 1.7."""
    fits = [record([2.0] * 29 + [loss], "nn") for loss in last]
    rows = pd.concat([predictions(0.5, name) for name in ("nn", "cnn_stack")])
    found, _ = judged_by(rows.reset_index(drop=True), *fits, record([9.0], "resnet18"))
    row = found.loc[("overfitting", "nn cnn_stack")]
    assert row["outcome"] == outcome
    assert row["rerun"] == pytest.approx(np.median(last) - 1.7)
    assert row["verdict"] == (
        f"at the last epoch the validation loss is above the training loss in {words}"
    )


def test_overfitting_needs_losses():
    rows = pd.concat([predictions(0.5, name) for name in ("nn", "cnn_stack")], ignore_index=True)
    found, _ = judged_by(rows, record([], "nn"), record(falling(9), "cnn_2d"))
    row = found.loc[("overfitting", "nn cnn_stack")]
    assert (row["outcome"], row["verdict"]) == (
        "",
        "not rerun: no losses of training and validation",
    )


@pytest.mark.parametrize(
    ("learnt", "outcome"), [((0.98, 0.93), "equivalent"), ((0.98, 0.91), "differs")]
)
def test_what_was_learnt_by_heart_is_a_mean_over_the_fits_of_the_sources_split(learnt, outcome):
    """All of the training part is claimed; 5 points less is another figure."""
    fits = [record([], "svm", accuracy_train=share) for share in learnt]
    fits += [record([], "svm", accuracy_train=0.0, protocol="artist_grouped")]
    row = judged_by(predictions(0.5), *fits)[0].loc[("training", "svm")]
    assert (row["claimed"], row["outcome"]) == (1, outcome)
    assert row["rerun"] == pytest.approx(np.mean(learnt))
    words = f"on the tracks that it learnt from it is right in {100 * np.mean(learnt):.1f}%"
    assert row["verdict"] == words


@pytest.mark.parametrize("noted", [{}, {"accuracy_train": None}])
def test_older_fits_did_not_note_what_they_learnt(noted):
    row = judged_by(predictions(0.5), record([], "svm", **noted))[0].loc[("training", "svm")]
    assert row["outcome"] == ""
    assert row["verdict"] == "not rerun: these fits did not note what they learnt by heart"


@pytest.mark.parametrize(
    ("cover", "outcome"),
    [
        ((-0.3, -0.5, -0.1), "as stated"),
        ((0.1, -0.1, 0.3), "not known"),
        ((0.2, 0.1, 0.3), "not known"),  # the live ones lose
    ],
)
@pytest.mark.usefixtures("resnet_on_gtzan")
def test_songs_recorded_anew_are_as_stated_where_all_kinds_lose(cover, outcome):
    rows = predictions(0.5, "resnet18", "random_60_20_20")
    row = judged_by(rows, anew=cover)[0].loc[("renewed", "resnet18")]
    value, low, high = (100 * number for number in cover)
    assert row["outcome"] == outcome
    assert row["verdict"] == (
        f"cover differs from unchanged by {value:+.1f} points [{low:+.1f}, {high:+.1f}] on 100 "
        "songs; live differs from unchanged by -30.0 points [-50.0, -10.0] on 100 songs"
    )


def test_a_copy_is_on_two_sides_as_often_as_a_draw_parts_two_tracks():
    """Two draws test a quarter each: 2 x 1/4 x 3/4 of the draws part two tracks."""
    rows = predictions(0.5, "cnn_segments", "random_50_20_30")
    drawn = [rows.iloc[:12], rows.iloc[12:24].assign(repeat=1)]
    rows = pd.concat([*drawn, *under("cnn_segments", artist_grouped=0.5)], ignore_index=True)
    row = judged_by(rows)[0].loc[("copy", "cnn_segments")]
    assert row["outcome"] == "as stated"
    assert row["verdict"].startswith(
        "a planted leak: with 25% of the tracks tested, in 38% of random draws one of the two"
    )
    (strict,) = under("cnn_segments", artist_grouped=0.5)
    verdict = judged_by(strict)[0].loc[("copy", "cnn_segments"), "verdict"]
    assert verdict == "not rerun under the source's split"
