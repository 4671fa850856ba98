"""The store: what is read is what was extracted, whatever happened on the way."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import tracemalloc
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import Parallel, delayed

from genrelib.base.errors import GenrelibError
from genrelib.base.files import digest
from genrelib.features import FEATURES, SR, extract, n_frames
from genrelib.features.audio import excerpt, read, read_middle
from genrelib.features.segments import averaged
from genrelib.store import build, building, open_store, stored
from genrelib.store.file import size_of

CLIP_S = 0.5
NAMES = ("log_mel", "chroma")


def write_track(folder, track_id, seed):
    y = np.random.default_rng(seed).normal(0, 0.1, round(0.4 * SR) + 500 * seed)
    path = folder / f"{track_id}.wav"
    soundfile.write(path, y, SR)
    return path


def corpus_of(paths, **changes):
    """A corpus of audio files; `changes` are columns by track id."""
    tracks = pd.DataFrame(
        {"path": {p.stem: str(p) for p in paths}, "exclude": "", "md5": ""},
    )
    tracks["md5"] = [digest(p, "md5") if os.path.exists(p) else "" for p in tracks["path"]]
    for column, values in changes.items():
        for track_id, value in values.items():
            tracks.loc[track_id, column] = value
    tracks = tracks.rename_axis("track_id")
    return SimpleNamespace(name="test", tracks=tracks, fingerprint="abc", pack=None)


def corpus_folder(corpus):
    return Path(corpus.tracks["path"].iloc[0]).parent


@pytest.fixture
def corpus(tmp_path):
    (tmp_path / "audio").mkdir()
    # not in the order of ids
    return corpus_of([write_track(tmp_path / "audio", i, k) for k, i in enumerate("dbace")])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.h5"


@pytest.fixture
def make(path):
    def make(corpus, names=NAMES, clip_s=CLIP_S, n_jobs=1):
        return open_store(build(corpus, names, path, clip_s=clip_s, n_jobs=n_jobs))

    return make


@pytest.fixture
def extracted(monkeypatch):
    """Which features of which track were extracted, in order."""
    log = []
    original = building._extracted

    def logging(request, path):
        log.append((request.track_id, request.names))
        return original(request, path)

    monkeypatch.setattr(building, "_extracted", logging)
    return log


def direct(corpus, name, track_id, clip_s=CLIP_S):
    clip = excerpt(read(corpus.tracks.loc[track_id, "path"]), SR, clip_s)
    return extract(clip, SR, [name])[name]


def within_rounding(stored_values, values):
    bound = np.maximum(2.0**-11 * np.abs(values), 2.0**-25)
    return np.all(np.abs(stored_values - values) <= bound)


# -- what is read ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FEATURES)
def test_every_feature_is_read_as_extracted_but_for_rounding(corpus, make, name):
    matrices = make(corpus, [name]).read(name, ["c", "a", "c"])
    assert matrices.shape == (3, FEATURES[name].n_bands, n_frames(CLIP_S))
    assert matrices.dtype == np.float32
    for matrix, track_id in zip(matrices, ["c", "a", "c"], strict=True):
        assert within_rounding(matrix, direct(corpus, name, track_id))


@given(value=st.floats(-65504, 65504, width=32))
@settings(max_examples=200)
def test_the_rounding_error_is_bounded_as_documented(value):
    value = np.array([value], dtype=np.float32)
    assert within_rounding(stored("any", value).astype(np.float32), value)


def test_a_value_that_float16_cannot_hold_is_an_error():
    with pytest.raises(GenrelibError, match="log_mel reaches 70000, beyond the 65504"):
        stored("log_mel", np.array([[1.0, -70000.0]], dtype=np.float32))


@pytest.mark.parametrize("name", FEATURES)
def test_full_scale_audio_never_overflows(name):
    rng = np.random.default_rng(0)
    square = np.sign(np.sin(2 * np.pi * 11000 * np.arange(SR) / SR))
    for y in (rng.choice([-1.0, 1.0], SR), square, np.zeros(SR), np.eye(1, SR, 9000)[0]):
        stored(name, extract(y, SR, [name])[name])


def test_only_what_is_held_is_read(corpus, make):
    corpus.tracks.loc["e", "exclude"] = "duplicate of a"
    store = make(corpus)
    assert store.track_ids == ("a", "b", "c", "d")
    assert store.features == ("chroma", "log_mel")
    with pytest.raises(GenrelibError, match="unknown feature of the store 'mfcc'; known: chroma"):
        store.read("mfcc", ["a"])
    with pytest.raises(GenrelibError, match=r"2 tracks are not in the store.*: e, x"):
        store.read("chroma", ["a", "e", "x"])
    assert store.read("chroma", []).shape == (0, 12, n_frames(CLIP_S))


def test_what_is_read_in_small_is_the_average_of_what_is_read_whole(corpus, make):
    store = make(corpus)
    ids = ["d", "a", "d"]
    whole = store.read("log_mel", ids)
    for size in ((16, 5), (None, 5), (16, None), (500, 5), (None, None)):
        small = store.read("log_mel", ids, size=size)
        assert small.dtype == np.float32
        np.testing.assert_array_equal(small, averaged(whole, *size))
    assert store.read("log_mel", [], size=(16, 5)).shape == (0, 16, 5)
    with pytest.raises(GenrelibError, match="n_frames=0; at least 1"):
        store.read("log_mel", [], size=(16, 0))


def test_reading_in_small_never_holds_all_tracks_at_full_size(corpus, make):
    store = make(corpus, ["spectrogram"])
    ids = list("abcde") * 20
    one = store.read("spectrogram", ids[:1]).nbytes
    tracemalloc.start()
    store.read("spectrogram", ids, size=(4, 4))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * one


def test_frames_have_their_period(corpus, make):
    assert make(corpus).frame_s == 512 / 22050


def test_the_file_describes_itself(corpus, make, path):
    store = make(corpus)
    assert store.configuration["clip_s"] == CLIP_S
    with h5py.File(path) as file:
        assert file.attrs["corpus_fingerprint"] == "abc"
        assert file.attrs["librosa"].startswith("0.11")
        values = file["features/log_mel"]
        assert values.attrs["unit"] == "dB re track maximum"
        assert values.dtype == np.float16
        assert values.chunks == (1, *values.shape[1:])
        assert list(file["track_id"].asstr()) == list("abcde")


def _first_value(store):
    return os.getpid(), store.read("chroma", ["b"])


def test_each_process_opens_the_file_for_itself(corpus, make):
    store = make(corpus)
    here = store.read("chroma", ["b"])  # this process holds the file open
    assert pickle.loads(pickle.dumps(store)) == store
    assert len(pickle.dumps(store)) < 1000
    answers = Parallel(n_jobs=2)(delayed(_first_value)(store) for _ in range(6))
    assert os.getpid() not in {process for process, _ in answers}
    for _, there in answers:
        np.testing.assert_array_equal(there, here)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_does_not_use_the_handle_of_its_parent(corpus, make):
    store = make(corpus)
    expected = store.read("log_mel", list("abcde"))
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            same = all(
                np.array_equal(store.read("log_mel", list("abcde")), expected) for _ in range(20)
            )
            os._exit(0 if same else 1)
        children.append(child)
    for _ in range(20):
        np.testing.assert_array_equal(store.read("log_mel", list("abcde")), expected)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]


def test_a_store_sees_that_its_file_was_replaced(corpus, make):
    store = make(corpus, ["chroma"])
    assert store.features == ("chroma",)
    make(corpus, ["mfcc"])
    assert store.features == ("chroma", "mfcc")


# -- what is built ---------------------------------------------------------------------------------


def test_nothing_is_done_twice(corpus, make, path, extracted):
    make(corpus)
    before = path.stat().st_mtime_ns
    assert [track_id for track_id, _ in extracted] == list("abcde")
    make(corpus)
    make(corpus, ["chroma"])
    assert len(extracted) == 5
    assert path.stat().st_mtime_ns == before
    assert sorted(os.listdir(path.parent)) == ["audio", "store.h5", "store.h5.lock"]


def test_new_tracks_and_new_features_extend_the_store(corpus, make, extracted):
    whole = corpus.tracks
    corpus.tracks = whole.drop(index=["b", "d"])
    old = make(corpus, ["chroma"]).read("chroma", list("ace"))
    corpus.tracks = whole
    del extracted[:]
    store = make(corpus, ["chroma", "log_mel"])
    both, one = ("chroma", "log_mel"), ("log_mel",)
    assert extracted == [("a", one), ("b", both), ("c", one), ("d", both), ("e", one)]
    np.testing.assert_array_equal(store.read("chroma", list("ace")), old)
    for name in both:
        for track_id in "abcde":
            assert within_rounding(store.read(name, [track_id])[0], direct(corpus, name, track_id))


def test_a_feature_added_for_some_tracks_is_refused_for_the_others(corpus, make):
    make(corpus, ["chroma"])
    corpus.tracks = corpus.tracks.drop(index=["b"])
    store = make(corpus, ["mfcc"])
    store.read("chroma", ["b"])  # tracks that left the corpus stay
    with pytest.raises(GenrelibError, match=r"1 tracks have no mfcc yet; build .*: b"):
        store.read("mfcc", ["a", "b"])


@pytest.mark.parametrize("change", ["clip", "librosa", "revision"])
def test_a_store_of_another_configuration_is_built_anew(
    corpus, make, path, tmp_path, extracted, monkeypatch, change
):
    old = make(corpus)
    old.read("chroma", ["a"])
    clip_s = 0.7 if change == "clip" else CLIP_S
    if change == "librosa":
        monkeypatch.setattr("librosa.__version__", "0.12.0")
    elif change == "revision":
        monkeypatch.setattr("genrelib.features.extraction.REVISION", 99)
    del extracted[:]
    new = make(corpus, ["chroma"], clip_s=clip_s)
    assert extracted == [(track_id, ("chroma",)) for track_id in "abcde"]
    assert new.configuration != old.configuration
    assert new.features == ("chroma",)
    assert new.read("chroma", ["a"]).shape == (1, 12, n_frames(clip_s))
    fresh = build(corpus, ["chroma"], tmp_path / "fresh.h5", clip_s=clip_s, n_jobs=1)
    assert path.read_bytes() == fresh.read_bytes()
    with pytest.raises(GenrelibError, match=r"made with .*, and rebuilt since with .*open it aga"):
        old.read("chroma", ["a"])


def test_a_track_whose_audio_changed_is_extracted_again(corpus, make, extracted):
    store = make(corpus)
    prints = [store.fingerprint(ids, "chroma") for ids in (["a"], ["c"])]
    del extracted[:]
    changed = write_track(corpus_folder(corpus), "c", seed=77)
    corpus.tracks.loc["c", "md5"] = digest(changed, "md5")
    make(corpus)
    assert [track_id for track_id, _ in extracted] == ["c"]
    assert within_rounding(store.read("chroma", ["c"])[0], direct(corpus, "chroma", "c"))
    assert store.fingerprint(["a"], "chroma") == prints[0]
    assert store.fingerprint(["c"], "chroma") != prints[1]


@pytest.mark.parametrize("fault", ["vanished", "unreadable"])
def test_a_disk_that_is_gone_for_a_while_is_no_fault_of_the_tracks(
    corpus, make, monkeypatch, fault
):
    folder = corpus_folder(corpus)
    for track_id in corpus.tracks.index:
        known = digest(Path(corpus.tracks.loc[track_id, "path"]), "md5")
        corpus.tracks.loc[track_id, "md5"] = known
    with monkeypatch.context() as patched:
        if fault == "vanished":
            gone = folder / "gone.wav"
            patched.setattr(building, "read_middle", lambda _, clip_s: read_middle(gone, clip_s))
            patched.setattr(building, "digest", lambda *_: digest(folder / "gone.wav"))
        else:
            patched.setattr(building, "digest", failing)
            patched.setattr(building, "read_middle", failing)
        with pytest.raises(GenrelibError, match=r"vanished or changed.*run again"):
            make(corpus)
    assert make(corpus).failures.empty


def failing(*_):
    raise OSError(5, "Input/output error")


def test_failures_are_rows_with_a_reason(corpus, make, tmp_path, extracted):
    folder = corpus_folder(corpus)
    (folder / "f.wav").write_bytes(b"no music" * 100)
    y = np.zeros(SR)
    y[5] = np.nan
    soundfile.write(folder / "g.wav", y, SR, subtype="FLOAT")
    soundfile.write(folder / "i.wav", np.full(SR, 1e6), SR, subtype="FLOAT")
    paths = [*map(folder.joinpath, [f"{i}.wav" for i in "abfghi"])]
    corpus = corpus_of(paths)
    store = make(corpus, ["stack"])
    reasons = store.failures["reason"]
    assert list(reasons.index) == ["f", "g", "h", "i"]
    assert reasons["f"].startswith("f.wav can't be decoded as audio")
    assert "1 samples that are NaN or infinite" in reasons["g"]
    assert reasons["h"].startswith("h.wav is not a file")
    assert "stack reaches 1e+06" in reasons["i"]
    assert not reasons.str.contains(str(tmp_path), regex=False).any()
    assert store.read("stack", ["a", "b"]).any()
    with pytest.raises(GenrelibError, match=r"1 tracks have no features.*: f \(f.wav can't be"):
        store.read("stack", ["a", "f"])
    with pytest.raises(GenrelibError, match="exclude them"):
        store.fingerprint(["g"], "stack")
    del extracted[:]
    make(corpus, ["stack", "chroma"])  # what failed is not tried again
    assert [track_id for track_id, _ in extracted] == ["a", "b"]
    write_track(folder, "h", seed=3)
    make(corpus_of(paths), ["stack", "chroma"])  # until it changes
    assert list(store.failures.index) == ["f", "g", "i"]
    assert store.read("chroma", ["h"]).any()


def test_a_track_that_breaks_loses_its_features(corpus, make):
    store = make(corpus)
    broken = corpus_folder(corpus) / "b.wav"
    broken.write_bytes(b"")
    corpus.tracks.loc["b", "md5"] = digest(broken, "md5")
    make(corpus, ["chroma"])
    assert list(store.failures.index) == ["b"]
    for name in NAMES:
        with pytest.raises(GenrelibError, match=r"b \(b.wav is empty"):
            store.read(name, ["b"])
        store.read(name, ["a", "c", "d", "e"])


def test_timing_leaves_no_trace(corpus, tmp_path):
    files = [
        build(corpus, NAMES, tmp_path / f"{n_jobs}.h5", clip_s=CLIP_S, n_jobs=n_jobs)
        for n_jobs in (1, 2)
    ]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_fingerprints_tell_the_values_and_nothing_else(corpus, make, tmp_path):
    small = corpus_of([corpus_folder(corpus) / f"{i}.wav" for i in "ac"])
    store = make(corpus)
    prints = {
        store.fingerprint(["a", "c"], "chroma"),
        store.fingerprint(["a", "c"], "log_mel"),
        store.fingerprint(["a", "b"], "chroma"),
        store.fingerprint(["a", "b", "c"], "chroma"),
    }
    assert len(prints) == 4
    assert store.fingerprint(["c", "a"], "chroma") in prints
    other = open_store(build(small, ["chroma"], tmp_path / "2.h5", clip_s=CLIP_S, n_jobs=1))
    assert other.fingerprint(["a", "c"], "chroma") in prints
    longer = open_store(build(small, ["chroma"], tmp_path / "3.h5", clip_s=0.6, n_jobs=1))
    assert longer.fingerprint(["a", "c"], "chroma") not in prints


def test_the_size_is_known_before(corpus, make, path):
    tracks = corpus.tracks.loc[["a"] * 40].set_axis([f"t{k:02}" for k in range(40)])
    corpus.tracks = tracks.rename_axis("track_id")
    for names in (["chroma"], ["log_mel", "chroma", "mfcc"]):
        make(corpus, names, clip_s=4.0)
        held = open_store(path).features
        assert size_of(40, held, n_frames(4.0)) == pytest.approx(path.stat().st_size, rel=0.03)


def test_no_room_on_the_disk_is_said_before_work_begins(corpus, make, monkeypatch, extracted):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10**6, 10**6 - 1000, 1000))
    with pytest.raises(GenrelibError, match=r"features \(0.00 GB .* has 0.00 GB free; make room"):
        make(corpus)
    assert not extracted


def test_wrong_requests_are_errors(corpus, make, path):
    with pytest.raises(GenrelibError, match="unknown feature 'mel'"):
        make(corpus, ["mel"])
    with pytest.raises(GenrelibError, match="does not exist; build the store first"):
        open_store(path)


@pytest.mark.parametrize("damage", ["text", "half", "another file"])
def test_a_damaged_store_says_so(corpus, make, path, damage):
    make(corpus)
    content = path.read_bytes()
    path.unlink()
    if damage == "another file":
        with h5py.File(path, "w") as file:
            file["x"] = 1
    else:
        path.write_bytes(b"nothing" if damage == "text" else content[: len(content) // 2])
    content = path.read_bytes()
    for use in (lambda: open_store(path), lambda: make(corpus), lambda: make(corpus, clip_s=0.7)):
        with pytest.raises(GenrelibError, match=r"not a feature store or is damaged.*delete it"):
            use()
    assert path.read_bytes() == content


# -- what interrupts -------------------------------------------------------------------------------

DISTURBED = """
import os, pickle, signal, sys
from genrelib import store
from genrelib.store import {module}

corpus, path, calls = pickle.load(open(sys.argv[1], "rb"))
original = {module}.{function}

def disturbed(*args):
    global calls
    calls -= 1
    if calls == -1:
        {event}
    return original(*args)

{module}.{function} = disturbed
store.build(corpus, {names!r}, path, clip_s={clip_s}, n_jobs=1)
"""
DEATH = "os.kill(os.getpid(), signal.SIGKILL)"
PAUSE = "print('there', flush=True); input()"


def start_disturbed(corpus, path, tmp_path, module, function, calls, event):
    """Build in another process, where something happens at the given call of a function."""
    (tmp_path / "audio" / "task").write_bytes(pickle.dumps((corpus, path, calls)))
    code = DISTURBED.format(
        module=module, function=function, event=event, names=NAMES, clip_s=CLIP_S
    )
    command = [sys.executable, "-c", code, tmp_path / "audio" / "task"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)


def kill_a_build(corpus, path, tmp_path, module, function, calls):
    """Build in another process that is killed at the given call of a function."""
    process = start_disturbed(corpus, path, tmp_path, module, function, calls, DEATH)
    _, trouble = process.communicate()
    assert process.returncode == -signal.SIGKILL, trouble.decode()


def left(folder):
    """What builds leave in a folder, beside their locks."""
    return sorted(name for name in os.listdir(folder) if not name.endswith(".lock"))


@pytest.mark.parametrize(
    ("module", "function", "calls", "lost"),
    [
        ("building", "_extracted", 3, "de"),  # while extracting the fourth track
        ("building", "load_part", 7, ""),  # all extracted; while writing the third row
    ],
)
def test_a_killed_build_goes_on(
    corpus, make, path, tmp_path, extracted, module, function, calls, lost
):
    undisturbed = build(corpus, NAMES, tmp_path / "undisturbed.h5", clip_s=CLIP_S, n_jobs=1)
    del extracted[:]
    kill_a_build(corpus, path, tmp_path, module, function, calls)
    assert not path.exists()
    make(corpus)
    assert [track_id for track_id, _ in extracted] == list(lost)
    assert path.read_bytes() == undisturbed.read_bytes()
    assert left(tmp_path) == ["audio", "store.h5", "undisturbed.h5"]


def test_a_killed_extension_leaves_the_store_as_it_was(corpus, make, path, tmp_path):
    make(corpus, ["chroma"])
    before = path.read_bytes()
    kill_a_build(corpus, path, tmp_path, "building", "load_part", 7)
    assert path.read_bytes() == before
    assert make(corpus).features == ("chroma", "log_mel")
    assert left(tmp_path) == ["audio", "store.h5"]


@pytest.mark.parametrize(("end", "lost"), [("finished", ""), ("killed", "cde")])
def test_of_two_builds_at_once_one_waits(
    corpus, make, path, tmp_path, extracted, end, lost, monkeypatch
):
    undisturbed = build(corpus, NAMES, tmp_path / "undisturbed.h5", clip_s=CLIP_S, n_jobs=1)
    del extracted[:]
    first = start_disturbed(corpus, path, tmp_path, "building", "_extracted", 2, PAUSE)
    assert first.stdout.readline() == b"there\n"
    asked, locked = threading.Event(), building.locked

    def noted(path):
        asked.set()
        return locked(path)

    monkeypatch.setattr(building, "locked", noted)
    second = threading.Thread(target=make, args=[corpus])
    second.start()
    assert asked.wait(timeout=60)
    second.join(timeout=2)  # a build takes less
    assert second.is_alive()
    assert extracted == []
    if end == "killed":
        first.kill()
    first.communicate(b"go\n")
    second.join(timeout=60)
    assert first.returncode == (-signal.SIGKILL if end == "killed" else 0)
    assert [track_id for track_id, _ in extracted] == list(lost)
    assert path.read_bytes() == undisturbed.read_bytes()
    assert left(tmp_path) == ["audio", "store.h5", "undisturbed.h5"]


def test_only_what_a_killed_build_left_is_deleted(corpus, make, path, tmp_path):
    names = [".store.123.tmp.h5", ".store.other.123.tmp.h5", ".store_h5"]
    for name in names:
        (tmp_path / name).touch()
    make(corpus, ["chroma"])
    assert left(tmp_path) == [*names[1:], "audio", "store.h5"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied"])
def test_a_damaged_part_is_made_again(corpus, make, path, tmp_path, extracted, damage):
    kill_a_build(corpus, path, tmp_path, "building", "_extracted", 4)
    part = sorted((tmp_path / "store.h5.parts").glob("*.npz"))[0]
    content = bytearray(part.read_bytes())
    if damage == "cut":
        del content[len(content) // 2 :]
    elif damage == "emptied":
        content.clear()
    else:
        content[len(content) // 2] ^= 0xFF
    part.write_bytes(content)
    store = make(corpus)
    assert len(extracted) == 2
    for track_id in "abcde":
        assert within_rounding(
            store.read("log_mel", [track_id])[0], direct(corpus, "log_mel", track_id)
        )
