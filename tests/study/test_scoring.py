"""The command that scores a published split: what is learnt, what is scored, what is refused."""

import numpy as np
import pandas as pd
import pytest
from helpers.builders import ROOT, make_tracks

from genrelib import corpora, store
from genrelib.__main__ import main
from genrelib.base.errors import GenrelibError
from genrelib.study import scoring

PARTS = {0: "train", 1: "train", 2: "valid", 3: "test"}


@pytest.fixture(scope="module")
def controlled(tmp_path_factory):
    """Return the levels and the tracks of the controlled corpus, with a made-up published split."""
    folder = tmp_path_factory.mktemp("controlled")
    options = {"artists_per_genre": 4, "songs_per_artist": 2, "duration_s": 3.0}
    corpus = corpora.load("synthetic", folder, **options)
    built = store.build(corpus, ["log_mel"], folder / "f.h5", clip_s=3.0, n_jobs=1)
    tracks = corpus.usable[["genre", "artist", "title", "group"]]
    log_mel = store.open_store(built).read("log_mel", list(tracks.index))
    frames = np.linspace(0, log_mel.shape[2] - 1, 387).round().astype(int)
    levels = np.clip((log_mel[:, :, frames] + 80) / 80 * 255, 0, 255).round().astype(np.uint8)
    place = tracks.groupby("genre")["group"].transform(lambda g: pd.factorize(g, sort=True)[0])
    tracks = tracks.assign(official_split=place.map(lambda n: PARTS[min(n, 3)]))
    np.savez(folder / "music.npz", track_id=tracks.index.to_numpy().astype(str), log_mel_u8=levels)
    tracks.to_csv(folder / "tracks.csv", index_label="track_id")
    return folder, tracks


@pytest.mark.parametrize("system", ["mel_svm", "ann"])
def test_a_file_of_levels_with_a_test_part_has_its_figure_printed(
    system, controlled, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(ROOT)
    folder, tracks = controlled
    where = ["--corpus", folder / "music.npz", "--tracks", folder / "tracks.csv", "--to", tmp_path]
    asked = ["score", "--system", system, "--protocol", "fault_filtered", *where]
    assert main([*map(str, asked)]) == 0
    assert f"{system} on the test part of fault_filtered" in capsys.readouterr().out
    scores = pd.read_csv(tmp_path / f"{system}_fault_filtered_scores.csv")
    rows = pd.read_csv(tmp_path / f"{system}_fault_filtered_predictions.csv")
    tested = set(tracks.index[tracks["official_split"] == "test"])
    assert list(scores["learnt"].unique()) == ["train", "train and valid"]
    for learnt, part in rows.groupby("learnt"):
        assert set(part["track_id"]) == tested
        line = scores[(scores["learnt"] == learnt) & (scores["tests"] == "all")].iloc[0]
        assert line["accuracy"] == pytest.approx((part["genre"] == part["predicted"]).mean())
        assert line["low"] <= line["accuracy"] <= line["high"]


def test_without_a_test_part_the_validation_part_is_scored_by_the_training_part_alone():
    tracks = make_tracks()
    part = tracks["artist"].str[-1].map({"0": "train", "1": "train", "2": "valid", "3": ""})
    tracks = tracks.assign(official_split=part)
    (trial,) = scoring.trials("fault_filtered", tracks, seed=0)
    assert set(trial.scored) == set(tracks.index[part == "valid"])
    assert set(trial.learnt) == set(tracks.index[part == "train"])
    assert set(trial.stops) < set(trial.learnt)


def test_stops_share_no_group_with_what_is_learnt_and_none_with_the_test():
    tracks = make_tracks(n_artists=8)
    part = tracks["artist"].str[-1].map(lambda n: {"6": "valid", "7": "test"}.get(n, "train"))
    tracks = tracks.assign(official_split=part)
    first, both = scoring.trials("fault_filtered", tracks, seed=0)
    assert set(first.stops) == set(tracks.index[part == "valid"])
    learnt = tracks.loc[[i for i in both.learnt if i not in both.stops], "group"]
    assert both.stops
    assert not set(learnt) & set(tracks.loc[list(both.stops), "group"])
    assert not {*both.learnt} & {*both.scored}


def test_splits_that_are_drawn_or_lacking_and_unknown_tracks_are_refused(controlled, tmp_path):
    folder, tracks = controlled
    with pytest.raises(GenrelibError, match="fault_filtered or official"):
        scoring.trials("artist_grouped", make_tracks(), seed=0)
    with pytest.raises(GenrelibError, match="train 0, valid 0, test 0"):
        scoring.trials("fault_filtered", make_tracks(), seed=0)
    with pytest.raises(GenrelibError, match="not among the known"):
        corpora.of_levels([folder / "music.npz"], tracks.iloc[1:])
    with pytest.raises(GenrelibError, match="in another file"):
        corpora.of_levels([folder / "music.npz"] * 2, tracks)
    np.savez(tmp_path / "x.npz", track_id=np.array(["a"], object), log_mel_u8=np.zeros(1))
    with pytest.raises(GenrelibError, match=r"x\.npz"):
        corpora.of_levels([tmp_path / "x.npz"], tracks)
