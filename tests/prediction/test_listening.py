"""Songs are read clip by clip as the training tracks were, whatever their length."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from genrelib.base.errors import GenrelibError
from genrelib.base.seeds import rng
from genrelib.corpora import packed
from genrelib.features import audio, extract
from genrelib.prediction import listening


def write(path, seconds, sr=22050, channels=1, **how):
    y = 0.1 * rng(0, "song").standard_normal((int(seconds * sr), channels))
    soundfile.write(path, y, sr, **how)
    return path


@pytest.mark.parametrize(
    ("name", "sr", "channels"),
    [
        ("a.wav", 22050, 1),
        ("a.wav", 8000, 1),
        ("a.flac", 48000, 2),
        ("a.wav", 192000, 6),
        ("a.mp3", 44100, 2),
        ("a.ogg", 16000, 1),
    ],
)
def test_clips_lie_around_the_middle_and_are_those_of_the_whole(name, sr, channels, tmp_path):
    path = write(tmp_path / name, 11.3, sr, channels)
    whole = audio.read(path)
    size = round(2.5 * audio.SR)
    first = (len(whole) - 4 * size) // 2
    found = list(audio.windows(path, 2.5))
    assert [round(start * audio.SR) for start, _ in found] == [first + k * size for k in range(4)]
    for number, (_, y) in enumerate(found):
        start = first + number * size
        np.testing.assert_allclose(y, whole[start : start + size], atol=1e-6)


@pytest.mark.parametrize("clip_s", [3.0, 4.0, 5.9, 6.0, 9.0])
def test_a_song_shorter_than_two_clips_is_the_clip_of_training(clip_s, tmp_path):
    path = write(tmp_path / "a.wav", 5.95, 44100)
    ((_, y),) = audio.windows(path, clip_s)
    np.testing.assert_allclose(y, audio.read_middle(path, clip_s), atol=1e-6)


def test_a_file_that_nearly_is_a_clip_is_taken_whole(tmp_path):
    path = write(tmp_path / "a.wav", 5.5)
    assert [len(y) for _, y in audio.windows(path, 6.0, spare_s=1.0)] == [len(audio.read(path))]
    assert [len(y) for _, y in audio.windows(path, 6.0, spare_s=0.4)] == [6 * audio.SR]


def test_features_are_those_of_the_store(music, features):
    track = music.usable.iloc[3]
    ((_, y),) = listening.clips(Path(track["path"]), features.configuration)
    for name, X in listening.matrices(y, ["log_mel", "stack"], features.configuration).items():
        np.testing.assert_array_equal(X, features.read(name, [track.name])[0])


def test_memory_does_not_grow_with_the_song(tmp_path):
    peaks = []
    for seconds in (60, 600):
        path = write(tmp_path / f"{seconds}.wav", seconds, 11025)
        tracemalloc.start()
        count = sum(1 for _ in audio.windows(path, 10.0))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert count == seconds // 10
    assert peaks[1] < 1.1 * peaks[0]


def test_a_file_that_lacks_what_its_header_states_is_refused(tmp_path):
    path = write(tmp_path / "a.wav", 8.0)
    content = bytearray(path.read_bytes())
    path.write_bytes(content[: len(content) // 2])
    whole = soundfile.info(path).frames / 22050
    if whole < 5:  # this libsndfile corrects the header
        assert len(list(audio.windows(path, 1.0))) == int(whole)
    else:
        with pytest.raises(GenrelibError, match=r"states 8\.0 s, but 4\.0 s can be decoded"):
            list(audio.windows(path, 1.0))


def test_not_a_number_is_refused(tmp_path):
    y = np.zeros(22050, dtype=np.float32)
    y[300] = np.nan
    soundfile.write(tmp_path / "a.wav", y, 22050, subtype="FLOAT")
    with pytest.raises(GenrelibError, match="samples that are NaN or infinite"):
        list(audio.windows(tmp_path / "a.wav", 1.0))


def test_files_and_folders_are_listed_once_and_sorted(tmp_path):
    inside = tmp_path / "music" / "deeper"
    inside.mkdir(parents=True)
    for name in ("b.WAV", "a.mp3", "c.m4a", "notes.txt"):
        (inside / name).touch()
    (inside / "d.wav").symlink_to(inside / "gone.wav")  # told of, when it is opened
    found = listening.files([inside / ".." / "deeper" / "b.WAV", tmp_path / "music"])
    assert [path.name for path in found] == ["b.WAV", "a.mp3", "c.m4a", "d.wav"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(GenrelibError, match="holds no audio"):
        listening.files([tmp_path / "empty"])
    with pytest.raises(GenrelibError, match="does not exist"):
        listening.files([tmp_path / "nothing.wav"])


def test_aac_is_refused_with_the_way_to_convert_it(tmp_path, features):
    with pytest.raises(GenrelibError, match=r"ffmpeg -i song\.m4a song\.flac"):
        list(listening.clips(tmp_path / "song.m4a", features.configuration))


def test_of_a_track_of_silence_the_packs_levels_are_zero():
    levels = packed.levels_of(np.zeros(30 * audio.SR, dtype=np.float32))
    assert levels.shape == packed.SHAPE
    assert not levels.any()


def test_the_packs_levels_span_the_whole_range():
    y = rng(0, "y").standard_normal(30 * audio.SR) * np.linspace(0.001, 1, 30 * audio.SR)
    levels = packed.levels_of(y)
    db = extract(y, audio.SR, ["log_mel"])["log_mel"]
    frames = [int((k + 0.5) * db.shape[1] / 387.5) for k in range(387)]
    expected = 256 * (db[:, frames] - db.min()) / -db.min()
    assert np.abs(levels - np.minimum(expected, 255)).max() <= 1
