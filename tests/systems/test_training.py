"""Training of networks: seeds, the validation mask, when it ends, refusals."""

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.builders import make_features
from skorch.history import History
from torch import nn

from genrelib.base.errors import GenrelibError
from genrelib.systems import training
from genrelib.systems.classical import Perceptron
from genrelib.systems.convolutional import Cnn2d
from genrelib.systems.estimators import BandScaler
from genrelib.systems.row import count_parameters
from genrelib.systems.training import GenreNet, NetworkPipeline

Y = np.arange(24) % 4
X = make_features(Y, n_bands=16, n_frames=16)


def net(**changes) -> GenreNet:
    given = {"n_classes": 4, "seed": 1, "max_epochs": 4, "lr": 1e-3, "batch_size": 8}
    return GenreNet(Cnn2d, **{**given, **changes})


MASK = np.arange(24) >= 20


def test_equal_seeds_give_equal_probabilities_and_others_do_not():
    one, same, other = (net(seed=s).fit(X, Y, is_valid=MASK).predict_proba(X) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-4


def test_torchs_global_random_state_is_left_alone():
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    net().fit(X, Y, is_valid=MASK)
    assert torch.rand(1) == expected


def test_validation_rows_do_not_train():
    """Other labels in the validation rows change losses, and no weight of any epoch."""
    swapped = np.where(MASK, 3 - Y, Y)
    one = net(patience=99).fit(X, Y, is_valid=MASK)
    other = net(patience=99).fit(X, swapped, is_valid=MASK)
    assert [r["train_loss"] for r in one.curve] == [r["train_loss"] for r in other.curve]
    assert [r["valid_loss"] for r in one.curve] != [r["valid_loss"] for r in other.curve]


def test_the_weights_kept_are_those_of_the_last_epoch():
    fitted = net(max_epochs=30, lr=0.05, patience=5).fit(X, Y, is_valid=MASK)
    last = fitted.curve[-1]
    assert last["valid_loss"] > min(row["valid_loss"] for row in fitted.curve)
    assert (fitted.predict(X[MASK]) == Y[MASK]).mean() == last["valid_acc"]
    picked = fitted.predict_proba(X[MASK])[np.arange(MASK.sum()), Y[MASK]]
    assert -np.log(picked).mean() == pytest.approx(last["valid_loss"], rel=1e-4)


def test_training_ends_when_the_smoothed_loss_has_not_fallen_for_as_long_as_the_patience():
    losses = pd.Series(trained_until(patience=3)).rolling(training.SMOOTHED, min_periods=1).mean()
    assert len(losses) == losses.argmin() + 1 + 3 < 200


def test_one_lucky_epoch_does_not_prolong_training():
    losses = [2.0, 1.5, 1.4, 1.4, 1.6, 1.8, 1.9, 1.3, 2.0, 2.0, 2.0, 2.0]
    watched = GenreNet(Cnn2d, patience=3)
    watched.is_valid_ = MASK
    watched.initialize_callbacks().history_ = History()
    callbacks = dict(watched.callbacks_)
    callbacks["early_stopping"].on_train_begin(watched)
    for number, loss in enumerate(losses, 1):
        watched.history.new_epoch()
        watched.history.record("epoch", number)
        watched.history.record("valid_loss", loss)
        callbacks["smoothing"].on_epoch_end(watched)
        try:
            callbacks["early_stopping"].on_epoch_end(watched)
        except KeyboardInterrupt:
            break
    assert number == 6 + 3  # the mean is lowest at the sixth, the loss at the eighth


def test_without_patience_all_epochs_are_run():
    assert len(trained_until(patience=None, max_epochs=25)) == 25


def trained_until(*, patience, max_epochs=200):
    """Return the validation losses of a training that soon knows its examples by heart."""
    fitted = net(max_epochs=max_epochs, lr=0.05, patience=patience).fit(X, Y, is_valid=MASK)
    return [row["valid_loss"] for row in fitted.curve]


def test_absent_labels_keep_their_column():
    kept = Y != 2
    probabilities = net().fit(X[kept], Y[kept], is_valid=MASK[kept]).predict_proba(X)
    assert probabilities.shape == (24, 4)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_a_last_batch_of_one_is_dropped():
    fitted = net(batch_size=19).fit(X, Y, is_valid=MASK)
    assert np.isfinite(fitted.curve[-1]["train_loss"])


def test_a_schedule_lowers_the_learning_rate():
    fitted = net(schedule="cosine", max_epochs=5).fit(X, Y, is_valid=MASK)
    rates = [row["event_lr"] for row in fitted.history]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.5 * rates[0]


def test_without_validation_rows_the_last_epoch_counts():
    fitted = net().fit(X, Y, is_valid=np.zeros(24, bool))
    assert len(fitted.curve) == 4
    assert fitted.curve[-1]["valid_loss"] is None


def test_transformers_do_not_see_the_validation_rows():
    pipeline = NetworkPipeline([("scale", BandScaler()), ("net", net())])
    shifted = X + 100 * MASK[:, None, None].astype(np.float32)
    pipeline.fit(shifted, Y, is_valid=MASK)
    expected = BandScaler().fit(X[~MASK])
    np.testing.assert_array_equal(pipeline.named_steps["scale"].mean_, expected.mean_)


@pytest.mark.parametrize("mask", [np.ones(24, bool), np.ones(5, bool)])
def test_a_mask_that_leaves_nothing_to_train_on_is_refused(mask):
    with pytest.raises(GenrelibError, match="validation rows"):
        net().fit(X, Y, is_valid=mask)


def test_damaged_or_misshapen_input_is_refused():
    damaged = X.copy()
    damaged[0, 0, 0] = np.inf
    with pytest.raises(GenrelibError, match="infinity"):
        net().fit(damaged, Y, is_valid=MASK)
    with pytest.raises(GenrelibError, match=r"\(16, 12\)"):
        net().fit(X, Y, is_valid=MASK).predict_proba(X[:, :, :12])


def test_networks_map_their_input_to_logits():
    assert Cnn2d((16, 24), 4)(torch.zeros(3, 16, 24)).shape == (3, 4)
    given = {"hidden": (5,), "activation": nn.ReLU, "batch_norm": False, "dropout": 0.0}
    perceptron = Perceptron((7,), 4, **given)
    assert perceptron(torch.zeros(3, 7)).shape == (3, 4)
    assert count_parameters(perceptron) == 7 * 5 + 5 + 5 * 4 + 4
