import os

import numpy as np
import pandas as pd
import pytest
import soundfile

from genrelib.base.errors import GenrelibError
from genrelib.corpora import tracks


def table(**changes):
    rows = {
        "genre": ["rock", "blues"],
        "artist": ["Queen", "(unknown) b"],
        "title": ["", "t"],
        "path": ["/x/a.wav", "/x/b.wav"],
        "duration_s": [30, 30.5],
        "group": ["Queen", "(unknown) b"],
        "exclude": ["", ""],
        "official_split": ["train", ""],
        "md5": ["0" * 32, "1" * 32],
    }
    return pd.DataFrame(rows | changes, index=["b", "a"])


def test_a_sound_table_is_sorted_and_ordered():
    found = tracks.checked(table()[sorted(tracks.COLUMNS)])
    assert list(found.index) == ["a", "b"]
    assert found.index.name == "track_id"
    assert tuple(found.columns) == tracks.COLUMNS
    assert found["duration_s"].dtype == float


def test_planted_columns_are_kept():
    found = tracks.checked(table(fault=["", "duplicate"], song=["1", "2"], fault_of=["", "a"]))
    assert set(found) == {*tracks.COLUMNS, "song", "fault", "fault_of"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"genre": ["rock", " "]}, "an empty genre"),
        ({"artist": ["", "x"]}, "an empty artist"),
        ({"group": ["", "x"]}, "an empty group"),
        ({"exclude": ["", None]}, "exclude that is not text"),
        ({"official_split": ["dev", ""]}, "a split other than"),
        ({"path": ["a.wav", "/x/b.wav"]}, "no absolute path"),
        ({"duration_s": [0.0, 1.0]}, "no duration"),
        ({"duration_s": [np.nan, 1.0]}, "no duration"),
        ({"mood": ["sad", "glad"]}, "mood"),
    ],
)
def test_a_broken_table_is_refused(changes, said):
    with pytest.raises(GenrelibError, match=said):
        tracks.checked(table(**changes))


def test_an_excluded_row_needs_no_audio():
    tracks.checked(table(path=["", "/x/b.wav"], duration_s=[0, 1], exclude=["missing", ""]))


@pytest.mark.parametrize(
    ("ids", "said"),
    [(["a", "a"], "another track has"), (["", "a"], "usable id"), ([1, 2], "usable")],
)
def test_ids_are_unique_text(ids, said):
    with pytest.raises(GenrelibError, match=said):
        tracks.checked(table().set_axis(ids))


def test_a_missing_column_is_named():
    with pytest.raises(GenrelibError, match="md5"):
        tracks.checked(table().drop(columns="md5"))


def test_measure_says_what_is_wrong_with_each_file(tmp_path):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 44100).astype(np.float32)
    soundfile.write(tmp_path / "good.wav", noise, 22050)
    soundfile.write(tmp_path / "stereo.flac", np.stack([noise, noise], axis=1), 44100)
    soundfile.write(tmp_path / "short.wav", noise[:2205], 22050)
    soundfile.write(tmp_path / "silent.wav", noise[:0], 22050)
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("no audio")
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "link.wav").symlink_to(tmp_path / "nowhere.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    paths = {path.name: path for path in sorted(tmp_path.iterdir())}
    found = tracks.measure(paths, n_jobs=1, label="test")
    assert list(found.index) == list(paths)
    assert found.loc["good.wav", "duration_s"] == pytest.approx(2)
    assert found.loc["stereo.flac", "duration_s"] == pytest.approx(1)
    assert len(found.loc["good.wav", "md5"]) == 32
    reasons = found["exclude"]
    assert set(found.index[reasons == ""]) == {"good.wav", "stereo.flac"}
    said = {
        "short.wav": "0.10 s",
        "silent.wav": "no samples",
        "empty.wav": "0 bytes",
        "text.wav": "can't be decoded",
        "folder.wav": "a folder",
        "link.wav": "broken link",
        "pipe.wav": "not a regular file",
    }
    for name, words in said.items():
        assert words in reasons[name]
    assert not reasons.str.contains(str(tmp_path), regex=False).any()


def test_measure_in_processes_is_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(tracks, "_CHUNK", 1)
    for name in "ab":
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(22050), 22050)
    paths = {name: tmp_path / f"{name}.wav" for name in "ba"}
    one = tracks.measure(paths, n_jobs=1, label="test")
    pd.testing.assert_frame_equal(one, tracks.measure(paths, n_jobs=2, label="test"))


def test_measuring_nothing_is_an_empty_table():
    assert tracks.measure({}, n_jobs=1, label="test").empty
