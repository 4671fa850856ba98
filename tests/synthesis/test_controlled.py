import filecmp
import json
from importlib import import_module
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import Parallel, delayed
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from genrelib.base import codetrace
from genrelib.base.errors import GenrelibError
from genrelib.base.files import digest
from genrelib.synthesis import SR, controlled
from genrelib.synthesis.controlled import write_corpus
from genrelib.synthesis.recordings import FAULTS, fingerprints, plan
from genrelib.synthesis.styles import GENRES, make_artist

TINY = {"artists_per_genre": 2, "songs_per_artist": 2, "duration_s": 1.0, "seed": 5}


def audio(folder):
    return {path.name: digest(path) for path in sorted(folder.glob("*/*.wav"))}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    return folder, write_corpus(folder, **TINY, n_jobs=1)


def test_the_tracks_table_keeps_its_contract(tiny):
    folder, tracks = tiny
    assert len(tracks) == 40
    assert tracks.index.is_monotonic_increasing
    assert tracks.index.is_unique
    assert tracks["genre"].value_counts().to_dict() == dict.fromkeys(GENRES, 4)
    assert (tracks["genre"] == tracks.index.str.split(".").str[0]).all()
    assert (tracks["artist"] != "").all()
    assert (tracks["official_split"] == "").all()
    for row in tracks.itertuples():
        info = soundfile.info(row.path)
        assert Path(row.path).is_absolute()
        assert (info.samplerate, info.channels, info.subtype) == (SR, 1, "PCM_16")
        assert info.frames == round(row.duration_s * SR)
    stored = pd.read_csv(folder / "tracks.csv", index_col="track_id", keep_default_na=False)
    assert (folder / stored["path"].iloc[0]).is_file()
    assert stored.drop(columns="path").equals(tracks.drop(columns="path"))
    artists = pd.read_csv(folder / "artists.csv", index_col="artist")
    assert set(tracks["artist"]) <= set(artists.index)
    assert len(set(artists["tuning_cents"])) == len(artists)


def test_every_fault_is_planted_and_true(tiny):
    _, tracks = tiny
    md5 = {track: digest(path, "md5") for track, path in tracks["path"].items()}
    planted = tracks[tracks["fault"] != ""]
    assert set(planted["fault"]) == set(FAULTS)
    for row in planted.itertuples():
        partner = tracks.loc[row.fault_of] if row.fault_of else None
        if row.fault in ("duplicate", "excerpt", "version"):
            assert (partner["fault"], partner["group"]) == ("", row.group)
            assert partner["song"] == row.song
            assert (md5[row.Index] == md5[row.fault_of]) == (row.fault == "duplicate")
        else:
            assert row.fault_of == ""
        assert (row.true_genre != row.genre) == (row.fault == "mislabel")
        assert (row.exclude != "") == (row.fault == "truncated")
    assert (tracks.loc[tracks["fault"] == "", "exclude"] == "").all()
    healthy = tracks.index[tracks["fault"] == ""]
    assert len({md5[track] for track in healthy}) == len(healthy)
    assert "0.25 s of 1 s" in planted.loc[planted["fault"] == "truncated", "exclude"].item()
    distorted, _ = soundfile.read(tracks.loc[tracks["fault"] == "distorted", "path"].item())
    assert np.mean(np.abs(distorted) >= 0.89) > 0.02


def test_work_goes_on_where_it_stopped(tiny, tmp_path):
    whole, _ = tiny
    tracks = write_corpus(tmp_path, **TINY, n_jobs=1)
    assert audio(tmp_path) == audio(whole)
    lost, cut, kept = (Path(path) for path in tracks["path"].iloc[[3, 20, 30]])
    lost.unlink()
    cut.write_bytes(cut.read_bytes()[:5000])
    (tmp_path / "tracks.csv").unlink()
    before = kept.stat().st_mtime_ns
    write_corpus(tmp_path, **TINY, n_jobs=2)
    assert audio(tmp_path) == audio(whole), "processes change the audio, or stale files remain"
    assert kept.stat().st_mtime_ns == before
    for name in ("tracks.csv", "artists.csv", "corpus.json"):
        assert filecmp.cmp(whole / name, tmp_path / name, shallow=False)


def test_nothing_stale_is_kept(tiny, tmp_path, monkeypatch):
    whole, _ = tiny
    write_corpus(tmp_path, **(TINY | {"seed": 6, "songs_per_artist": 3}), n_jobs=1)
    other = audio(tmp_path)
    assert len(other) == 60
    write_corpus(tmp_path, **TINY, n_jobs=1)
    assert audio(tmp_path) == audio(whole)
    # the same configuration by other code
    kept = tmp_path / "rock" / "rock.00000.wav"
    before = kept.stat().st_mtime_ns
    monkeypatch.setattr(controlled, "_recipe", lambda: "another")
    write_corpus(tmp_path, **TINY, n_jobs=1)
    assert kept.stat().st_mtime_ns != before
    assert json.loads((tmp_path / "corpus.json").read_text())["recipe"] == "another"


def test_the_recipe_covers_all_that_sounds():
    room = Path(controlled.__file__).parent
    for name in controlled._MODULES:
        for line in (room / f"{name}.py").read_text(encoding="utf-8").splitlines():
            if line.startswith("from .") and not line.startswith("from .."):
                assert line.split()[1][1:] in controlled._MODULES, line


def test_layout_and_imports_do_not_make_audio_stale(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    tree = "def f(x):\n    return x + {}\n"
    texts = {"one": tree.format(1), "two": f"import math\n\n# why\n{tree.format('(1)')}"}
    for name, text in (texts | {"three": tree.format(2)}).items():
        (tmp_path / f"audio_{name}.py").write_text(text)
    one, two, three = (
        codetrace.code_of_modules([import_module(f"audio_{name}")])
        for name in ("one", "two", "three")
    )
    assert one == two != three


def test_foreign_audio_is_never_touched(tmp_path):
    theirs = tmp_path / "blues" / "blues.00000.wav"
    theirs.parent.mkdir()
    theirs.write_bytes(b"someone's music")
    with pytest.raises(GenrelibError, match="not from here"):
        write_corpus(tmp_path, **TINY, n_jobs=1)
    assert theirs.read_bytes() == b"someone's music"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"artists_per_genre": 1}, "artists_per_genre is 1; give a whole number from 2"),
        ({"songs_per_artist": 2.5}, "songs_per_artist is 2.5; give a whole number"),
        ({"duration_s": 0.5}, "duration_s is 0.5; give a number from 1 to 120"),
        ({"duration_s": float("nan")}, "duration_s is nan"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": "0"}, "seed is '0'"),
    ],
)
def test_bad_values_are_named(tmp_path, wrong, says):
    with pytest.raises(GenrelibError, match=says):
        write_corpus(tmp_path, **(TINY | {"n_jobs": 1} | wrong))
    assert not list(tmp_path.iterdir())


@settings(max_examples=10, deadline=None)
@given(st.integers(2, 8), st.integers(2, 6), st.integers(0, 10_000))
def test_any_plan_has_its_faults_and_its_groups(n_artists, n_songs, seed):
    recordings = plan(
        artists_per_genre=n_artists, songs_per_artist=n_songs, duration_s=5.0, seed=seed
    )
    tracks = controlled._table(recordings, dict.fromkeys(recordings, Path("x.wav")))
    assert len(tracks) == 10 * n_artists * n_songs
    counts = tracks["fault"].value_counts()
    assert set(counts.index) == {"", *FAULTS}
    assert counts["truncated"] == 1
    if len(tracks) >= 100:
        assert 0.06 <= (tracks["fault"] != "").mean() <= 0.08
    # a group holds all of an artist and all of a song
    for column in ("artist", "song"):
        assert tracks.groupby(column)["group"].nunique().max() == 1
    assert tracks.groupby("genre")["group"].nunique().min() >= 2


def test_artists_are_told_apart_by_name():
    names = [make_artist(genre, n, seed=3).name for genre in GENRES for n in range(120)]
    assert len(set(names)) == len(names)
    tiny_plan = plan(**TINY)
    assert len(fingerprints(tiny_plan)) == len({r.artist.name for r in tiny_plan.values()})


def mel_statistics(recording):
    mel = librosa.feature.melspectrogram(y=recording.sound(), sr=SR, n_mels=64)
    level = librosa.power_to_db(S=mel, ref=np.max)
    return np.concatenate([level.mean(axis=1), level.std(axis=1)])


@pytest.mark.filterwarnings("ignore:The groups parameter is ignored")
def test_it_is_hard_enough_to_study_and_artists_are_a_shortcut():
    recordings = plan(artists_per_genre=8, songs_per_artist=4, duration_s=6.0, seed=0)
    tracks = controlled._table(recordings, dict.fromkeys(recordings, Path("x.wav")))
    usable = (tracks["exclude"] == "").to_numpy()
    X = np.array(Parallel(n_jobs=2)(delayed(mel_statistics)(r) for r in recordings.values()))
    X, tracks = X[usable], tracks[usable]
    svm = make_pipeline(StandardScaler(), SVC(C=10))

    def accuracy(folds):
        folds = list(folds.split(X, tracks["genre"], tracks["group"]))
        predicted = cross_val_predict(svm, X, tracks["genre"], cv=folds)
        return 100 * np.mean(predicted == tracks["genre"])

    def mean_accuracy(kind):
        return np.mean([accuracy(kind(5, shuffle=True, random_state=s)) for s in range(3)])

    grouped, random = mean_accuracy(StratifiedGroupKFold), mean_accuracy(StratifiedKFold)
    assert 55 < grouped < 85
    assert random - grouped >= 8
