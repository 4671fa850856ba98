"""The real thing: GTZAN tracks from the mirror through every floor of the house.

Needs ``GENRELIB_MIRROR``, a folder or address that holds gtzan_mini and its annotations laid out
as ``host/path``; skipped, with this reason, where it is not set.
"""

import dataclasses
import os

import numpy as np
import pytest

from genrelib import corpora, experiments, inference, store
from genrelib.base.files import Workspace
from genrelib.experiments import planning as fits
from genrelib.experiments import predictions

pytestmark = pytest.mark.skipif(
    "GENRELIB_MIRROR" not in os.environ,
    reason="REAL MUSIC NOT TESTED: set GENRELIB_MIRROR to a mirror that holds gtzan_mini",
)


@pytest.fixture(scope="module")
def mini(tmp_path_factory) -> corpora.Corpus:
    return corpora.load("gtzan_mini", tmp_path_factory.mktemp("data"), n_jobs=2)


@pytest.fixture(scope="module")
def few(mini) -> corpora.Corpus:
    """Return three genres of many artists, eight tracks each."""
    chosen = mini.usable[mini.usable["genre"].isin(["disco", "hiphop", "metal"])]
    chosen = chosen.groupby("genre").head(8)
    return dataclasses.replace(mini, tracks=chosen, genres=("disco", "hiphop", "metal"))


def test_all_hundred_tracks_are_there_and_verified(mini):
    assert len(mini.tracks) == len(mini.usable) == 100
    assert (mini.tracks.groupby("genre").size() == 10).all()
    assert mini.tracks["duration_s"].between(29, 31).all()


def test_real_tracks_go_through_features_fits_and_scores(few, tmp_path):
    path = tmp_path / "mini.h5"
    store.build(few, ["log_mel", "stack"], path, clip_s=30.0, n_jobs=2)
    features = store.open_store(path)
    assert features.failures.empty
    loudest = features.read("log_mel", list(few.usable.index)).max(axis=(1, 2))
    np.testing.assert_allclose(loudest, 0, atol=1e-6)
    workspace = Workspace("real", tmp_path)
    names = ["svm", "mel_svm"]
    planned = fits.plan(
        names,
        ["track_random", "artist_grouped"],
        few,
        features,
        workspace,
        fits.Settings(n_folds=2, n_repeats=1, seed=0, epoch_share=0.1, image_size=(32, 64)),
    )
    done = experiments.run(planned, few, features, n_jobs=2)
    assert done == {"fitted": 10, "kept": 0}  # the source of svm has a split of its own
    rows, _ = predictions.read(workspace, names)
    rows = rows[rows["protocol"].isin(["track_random", "artist_grouped"])]
    scores = inference.scores(rows, few.tracks["group"], seed=0).set_index(["system", "protocol"])
    assert (scores["n_tracks"] == 24).all()
    # three genres: a third is chance; far better than that is asked of the yardstick
    assert scores.loc[("mel_svm", "track_random"), "accuracy"] > 0.6
