"""Packs: what the store holds of a pack is what the pack holds, and what it can't hold is said."""

import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrelib.base.errors import GenrelibError
from genrelib.corpora import Corpus
from genrelib.features import FEATURES
from genrelib.store import Pack, build, open_store, packs
from genrelib.store.file import size_of

N_FRAMES = 24
DURATION_S = 6.0
NAMES = ("chroma", "mfcc")


def read(path):
    """Return what the test's pack holds: 12 rows of each track."""
    with np.load(path) as content:
        return dict(content)


def chroma(held):
    return held


def mfcc(held):
    return np.resize(held, (20, held.shape[1])) - 5


def write_pack(path, ids="abcde", seed=0):
    """Write a pack of 12 x 24 values that float16 holds exactly."""
    rng = np.random.default_rng(seed)
    held = {i: rng.integers(0, 100, (12, N_FRAMES)).astype(np.float32) for i in ids}
    np.savez(path, **held)
    return Pack(
        name="toy",
        path=path,
        revision=1,
        duration_s=DURATION_S,
        n_frames=N_FRAMES,
        content="rows",
        read=read,
        makers={"chroma": chroma, "mfcc": mfcc},
    )


def corpus_of(pack, ids="abcde", fingerprint="abc"):
    held = read(pack.path)
    tracks = pd.DataFrame({"path": str(pack.path), "exclude": ""}, index=sorted(ids))
    tracks["md5"] = [f"md5 of {held[i].sum()}" for i in tracks.index]
    tracks = tracks.rename_axis("track_id")
    return SimpleNamespace(name="toy", tracks=tracks, fingerprint=fingerprint, pack=pack)


@pytest.fixture
def pack(tmp_path):
    return write_pack(tmp_path / "toy.npz")


@pytest.fixture
def corpus(pack):
    return corpus_of(pack)


@pytest.fixture
def make(tmp_path):
    def make(corpus, names=NAMES, clip_s=DURATION_S, path=tmp_path / "store.h5"):
        return open_store(build(corpus, names, path, clip_s=clip_s, n_jobs=1))

    return make


@pytest.fixture
def made(monkeypatch):
    """Which matrices were made, in order."""
    log = []
    original = Pack.matrix

    def logging(pack, held, feature, clip_s):
        log.append(feature)
        return original(pack, held, feature, clip_s)

    monkeypatch.setattr(Pack, "matrix", logging)
    return log


# -- what is stored --------------------------------------------------------------------------------


def test_the_store_holds_what_the_pack_holds(corpus, pack, make):
    store, held = make(corpus), read(pack.path)
    assert store.features == NAMES
    assert store.failures.empty
    assert store.frame_s == pack.frame_s == 0.25
    for name, maker in pack.makers.items():
        matrices = store.read(name, list("cac"))
        assert matrices.shape == (3, FEATURES[name].n_bands, N_FRAMES)
        for matrix, track_id in zip(matrices, "cac", strict=True):
            np.testing.assert_array_equal(matrix, maker(held[track_id]))
    assert sorted(os.listdir(pack.path.parent)) == ["store.h5", "store.h5.lock", "toy.npz"]


def test_the_file_says_that_it_is_from_a_pack(corpus, make, tmp_path):
    make(corpus, ["chroma"])
    with h5py.File(tmp_path / "store.h5") as file:
        made_with = json.loads(file.attrs["configuration"])
        assert file.attrs["librosa"] == made_with["librosa"]
        assert file.attrs["corpus_fingerprint"] == "abc"
        assert file["features/chroma"].dtype == np.float16
        assert file["features/chroma"].chunks == (1, 12, N_FRAMES)
    assert made_with["pack"] == "toy"
    assert made_with["frame_s"] == 0.25


@given(n_frames=st.integers(1, N_FRAMES))
@settings(max_examples=N_FRAMES, deadline=None)
def test_a_clip_is_the_middle_of_the_track(tmp_path_factory, n_frames):
    pack = write_pack(tmp_path_factory.mktemp("pack") / "toy.npz", "a")
    held = read(pack.path)["a"]
    clip = pack.matrix(held, "chroma", n_frames * 0.25)
    before = (N_FRAMES - n_frames) // 2
    np.testing.assert_array_equal(clip, held[:, before : before + n_frames])
    assert clip.shape[1] == pack.frames(n_frames * 0.25) == n_frames


def test_a_clip_is_stored_with_its_own_number_of_frames(corpus, pack, make):
    whole, clip = make(corpus).read("mfcc", ["b"]), make(corpus, clip_s=2.0)
    assert clip.read("mfcc", ["b"]).shape == (1, 20, 8)
    np.testing.assert_array_equal(clip.read("mfcc", ["b"]), whole[:, :, 8:16])
    assert clip.frame_s == 0.25


@pytest.mark.parametrize("clip_s", [6.5, 0.0, -1.0, 0.1, float("nan"), float("inf")])
def test_a_clip_that_the_pack_cannot_give_is_an_error(corpus, make, tmp_path, clip_s):
    with pytest.raises(GenrelibError, match=r"clip_s=.* toy holds 6 s .* 250\.0 ms; .*at most 6\."):
        make(corpus, clip_s=clip_s)
    assert not (tmp_path / "store.h5").exists()


def test_what_a_pack_lacks_is_an_error_with_the_reason(corpus, pack, make, tmp_path):
    reason = (
        "tempogram needs audio; the pack toy holds rows with a frame every 250.0 ms, from which"
    )
    assert pack.lacks("tempogram").startswith(reason)
    assert pack.lacks("chroma") == ""
    with pytest.raises(GenrelibError, match=f"{reason}.*; stack needs .* Ask for chroma, mfcc"):
        make(corpus, ["chroma", "tempogram", "stack"])
    with pytest.raises(GenrelibError, match="unknown feature 'mel'"):
        make(corpus, ["mel"])
    assert not (tmp_path / "store.h5").exists()


def test_corpora_say_what_they_lack(pack, tracks):
    audio = Corpus("any", tracks, ("blues", "rock"), ())
    packed = replace(audio, pack=pack)
    assert {audio.lacks(feature) for feature in FEATURES} == {""}
    assert {f: packed.lacks(f) == "" for f in FEATURES} == {f: f in NAMES for f in FEATURES}
    for corpus in (audio, packed):
        with pytest.raises(GenrelibError, match="unknown feature 'mel'"):
            corpus.lacks("mel")
    fewer = packed.without(pd.Series({tracks.index[0]: "broken"}))
    assert fewer.pack is pack
    assert pickle.loads(pickle.dumps(pack)) == pack


def test_the_size_is_known_before_for_packs_too(pack, make, tmp_path):
    ids = [f"t{k:02}" for k in range(40)]
    pack = replace(write_pack(tmp_path / "more.npz", ids), duration_s=1.0)
    for clip_s in (1.0, 0.5):
        make(corpus_of(pack, ids), clip_s=clip_s)
        size = (tmp_path / "store.h5").stat().st_size
        assert size_of(40, NAMES, pack.frames(clip_s)) == pytest.approx(size, rel=0.1)


# -- what is done again ----------------------------------------------------------------------------


def test_nothing_is_made_twice_from_a_pack(corpus, make, made, tmp_path):
    make(corpus, ["chroma"])
    before = (tmp_path / "store.h5").stat().st_mtime_ns
    assert made == ["chroma"] * 5
    make(corpus, ["chroma"])
    assert (tmp_path / "store.h5").stat().st_mtime_ns == before
    store = make(corpus, ["mfcc"])
    assert made == ["chroma"] * 5 + ["mfcc"] * 5
    assert store.features == NAMES


def test_new_tracks_of_a_pack_extend_the_store(corpus, pack, make, made, tmp_path):
    corpus.tracks.loc["b", "exclude"] = "not yet"
    make(corpus)
    del made[:]
    corpus.tracks.loc["b", "exclude"] = ""
    store = make(corpus)
    assert made == list(NAMES)
    assert store.track_ids == tuple("abcde")
    make(corpus, path=tmp_path / "at_once.h5")
    assert (tmp_path / "store.h5").read_bytes() == (tmp_path / "at_once.h5").read_bytes()


def test_a_track_that_changed_in_the_pack_is_made_again(corpus, pack, make, made):
    store = make(corpus)
    prints = [store.fingerprint([i], "chroma") for i in "ac"]
    held = read(pack.path)
    held["c"] = held["c"] + 1
    np.savez(pack.path, **held)
    del made[:]
    make(corpus_of(pack))
    assert made == list(NAMES)
    np.testing.assert_array_equal(store.read("chroma", ["c"])[0], held["c"])
    assert store.fingerprint(["a"], "chroma") == prints[0]
    assert store.fingerprint(["c"], "chroma") != prints[1]


@pytest.mark.parametrize(
    "change", [{"revision": 2}, {"name": "other"}, {"duration_s": 12.0}], ids=str
)
def test_a_pack_that_means_other_values_makes_another_store(corpus, pack, make, made, change):
    old = make(corpus)
    first = old.fingerprint(["a"], "chroma")
    del made[:]
    corpus.pack = replace(pack, **change)
    new = make(corpus)
    assert len(made) == 10
    assert new.configuration != old.configuration
    assert new.fingerprint(["a"], "chroma") != first


def test_a_killed_build_from_a_pack_leaves_the_store_as_it_was(corpus, make, tmp_path):
    make(corpus, ["chroma"])
    before = (tmp_path / "store.h5").read_bytes()
    code = """
import os, signal, sys
sys.path[:0] = [{folder!r}]
from pathlib import Path
from genrelib.store import building
import test_packs
corpus = test_packs.corpus_of(test_packs.write_pack(Path({pack!r})))
calls = iter(range(3))
original = building.stored
def dying(*args):
    if next(calls, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*args)
building.stored = dying
building.build(corpus, ["mfcc"], Path({path!r}), clip_s=6.0, n_jobs=1)
"""
    code = code.format(
        folder=os.path.dirname(__file__),
        pack=str(tmp_path / "toy.npz"),
        path=str(tmp_path / "store.h5"),
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert process.returncode == -9, process.stderr.decode()
    assert (tmp_path / "store.h5").read_bytes() == before
    assert make(corpus).features == NAMES
    assert sorted(os.listdir(tmp_path)) == ["store.h5", "store.h5.lock", "toy.npz"]


# -- where packs are -------------------------------------------------------------------------------


def test_a_pack_is_found_by_its_name(pack, monkeypatch):
    monkeypatch.setenv(packs.FOLDER, str(pack.path.parent))
    assert packs.find("toy.npz") == pack.path
    monkeypatch.chdir(pack.path.parent.parent)
    monkeypatch.setenv(packs.FOLDER, pack.path.parent.name)
    assert packs.find("toy.npz") == pack.path


def test_a_pack_that_is_not_there_says_what_to_set(tmp_path, monkeypatch):
    monkeypatch.delenv(packs.FOLDER, raising=False)
    with pytest.raises(GenrelibError, match=r"GENRELIB_PACKS is not set; .*folder.* toy\.npz"):
        packs.find("toy.npz")
    monkeypatch.setenv(packs.FOLDER, " ")
    with pytest.raises(GenrelibError, match="GENRELIB_PACKS is not set"):
        packs.find("toy.npz")
    monkeypatch.setenv(packs.FOLDER, str(tmp_path))
    with pytest.raises(GenrelibError, match=r"holds no such file; set GENRELIB_PACKS="):
        packs.find("toy.npz")
    monkeypatch.setenv(packs.FOLDER, str(tmp_path / "nowhere"))
    with pytest.raises(GenrelibError, match=r"is not a folder; set GENRELIB_PACKS="):
        packs.find("toy.npz")
