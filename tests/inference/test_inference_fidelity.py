"""How far training went, when a verdict is withheld, and what becomes of each statement."""

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
        # one lucky epoch near the end is no lower loss on average
        ([*settled(20, 29), 0.99], 50, True, True),
    ],
)
def test_convergence_waits_for_the_smoothed_loss(losses, cap, converged, hit):
    row = table_of(record(losses, cap=cap)).iloc[0]
    assert (row["converged"], row["hit_cap"]) == (converged, hit)


def test_systems_without_epochs_do_not_count():
    found = table_of(record(falling(30)), record([], "mel_svm"))
    assert found["n_epochs"].tolist() == [30]


@pytest.mark.parametrize(
    ("fit", "reason"),
    [
        (record(settled(30, 25)), None),
        (record(falling(100)), None),  # as many epochs as the source names
        (record(falling(57)), "1 of 1 fits ended before the validation loss had settled, after 57"),
        (record(settled(30, 25), n=400), "400 tracks, where GTZAN has 1000"),
        (record(settled(30, 25), "resnet18"), "pictures of 64 x 128, the source's have 418 x 627"),
        (record(settled(30, 25), "resnet18", shape=(209, 314)), None),
        (record(falling(30), "cnn_segments", cap=30), "after 30 epochs"),
        (record([], "mel_svm", shape=(1,)), None),
    ],
)
def test_a_verdict_is_withheld_below_a_stated_fidelity(fit, reason):
    records = pd.DataFrame([fit])
    found = withheld(SYSTEMS.values(), records, convergence(records))
    assert (fit["system"] in found) == (reason is not None)
    assert reason is None or reason in found[fit["system"]]


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
    scored, lost = scores(rows, GROUPS, seed=0), leakage(rows, GROUPS, seed=0)
    table = claims(SYSTEMS.values(), scored, lost, corpus=corpus, withheld=held)
    records = pd.DataFrame([record(falling(30), "nn"), record([], "svm", accuracy_train=0.97)])
    anew = {"difference": -0.3, "difference_low": -0.5, "difference_high": -0.1, "n": 100}
    anew = [{"system": "resnet18", "kind": kind} | anew for kind in ("unchanged", "cover", "live")]
    words = {"corpus": corpus, "withheld": held or {}, "seed": 0}
    words["recordings"] = pd.DataFrame(anew)
    found = statements(rows, GROUPS, scored, table, records, **words)
    assert list(found.columns) == STATEMENT
    return found.set_index(["kind", "systems"]), scored.set_index(["system", "protocol"])


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
