"""Shared packs: what comes out is what went in, and nothing else is let in."""

import contextlib
import dataclasses
import hashlib
import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tracemalloc
import warnings

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from helpers.builders import GENRES, copied_project, make_tracks, write_music
from helpers.plans import SETTINGS
from test_packs import Pack

from genrelib import corpora, experiments, store
from genrelib.__main__ import main
from genrelib.base.errors import GenrelibError
from genrelib.base.files import Workspace
from genrelib.corpora import Corpus
from genrelib.experiments import planning as fits
from genrelib.store import packs, sharing
from genrelib.study.parameters import parameters_of

NAMES = ["log_mel", "stack"]
LICENCE = "Noise of our own, CC0."
EXCLUDED = {"rock.rock artist 3.rock-3-1": "said to be faulty"}


@pytest.fixture(scope="module")
def corpus(music) -> Corpus:
    return music.without(pd.Series(EXCLUDED))


@pytest.fixture(scope="module")
def original(corpus, features, tmp_path_factory):
    path = tmp_path_factory.mktemp("packed") / "noise.h5"
    sharing.pack(corpus, features, path, names=NAMES, licence=LICENCE)
    return path


@pytest.fixture
def packed(original, tmp_path):
    """A pack that a test may change."""
    return shutil.copy(original, tmp_path / "noise.h5")


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def shared(packed, data) -> Corpus:
    sharing.unpack(packed, data)
    return corpora.load("pack", data, file="noise.h5")


def built(corpus, path, clip_s=1.0) -> store.Store:
    return store.open_store(store.build(corpus, NAMES, path, clip_s=clip_s, n_jobs=1))


# -- packs that vouch for themselves, and are none -------------------------------------------------


def _replaced(file, place, values, **options):
    del file[place]
    file.create_dataset(place, data=values, **options)


def _doubles(file):
    _replaced(file, "features/stack", np.zeros(file["features/stack"].shape))
    file["features/stack"].attrs["unit"] = "rows"


def _with(**attributes):
    return lambda file: file.attrs.update(attributes)


def _ids(change):
    def edit(file):
        ids = file["tracks/track_id"].asstr()[:]
        _replaced(file, "tracks/track_id", change(list(ids)), dtype=h5py.string_dtype())

    return edit


ILL_FORMED = {
    "NaN for numbers": lambda f: _replaced(f, "tracks/duration_s", np.full(32, np.nan)),
    "an id twice": _ids(lambda ids: [ids[1], *ids[1:]]),
    "an id that steers a terminal": _ids(lambda ids: ["\x1b[31m", *ids[1:]]),
    "fewer rows in the table": _ids(lambda ids: ids[:-1]),
    "no column of exclusions": lambda f: f.__delitem__("tracks/exclude"),
    "a column of pairs": lambda f: _replaced(f, "tracks/genre", np.zeros((32, 2))),
    "texts of one length": lambda f: _replaced(f, "tracks/genre", np.zeros(32, "S99")),
    "compressed": lambda f: _replaced(f, "tracks/duration_s", np.ones(32), compression="gzip"),
    "doubles": _doubles,
    "a group for values": lambda f: f.create_group("tracks/more"),
    "a number for the licence": _with(licence=5),
    "a list for the configuration": _with(configuration="[]"),
    "a clip of no length": _with(configuration='{"clip_s": 0, "frame_s": 1, "librosa": "1"}'),
    "a clip that is no number": _with(
        configuration='{"clip_s": "9", "frame_s": 1, "librosa": "1"}'
    ),
    "notes that are no text": _with(notes="[1]"),
    "notes of endless depth": _with(notes="[" * 60_000),
}


@pytest.mark.parametrize("case", ILL_FORMED)
def test_a_digest_does_not_vouch_for_form(original, data, tmp_path, case):
    path = tmp_path / "own.h5"
    path.write_bytes(original.read_bytes())
    with h5py.File(path, "r+") as file:
        ILL_FORMED[case](file)
        with contextlib.suppress(AttributeError, TypeError):  # what has no digest at all
            file.attrs["digest"] = sharing._digest(file)
    with pytest.raises(GenrelibError):
        corpora.load("pack", data, file=sharing.unpack(path, data).path.name)


# -- what comes out --------------------------------------------------------------------------------


def test_the_tracks_come_out_as_they_went_in(shared, corpus, data):
    pd.testing.assert_frame_equal(
        shared.tracks.drop(columns="path"), corpus.tracks.drop(columns="path")
    )
    assert shared.fingerprint == corpus.fingerprint
    assert shared.genres == GENRES
    assert corpora.exclusions(shared)["exclude"].to_dict() == EXCLUDED
    assert set(shared.usable["path"]) == {str(data / "packs" / "noise.h5")}
    assert LICENCE in shared.notes[0]
    assert "log_mel, stack of 31 of 32 tracks, clips of 1 s" in shared.notes[1]
    assert shared.notes[2:] == corpus.notes


def test_columns_of_the_controlled_corpus_survive(corpus, features, data, tmp_path):
    columns = {"fault": "", "take": 1, "tempo_bpm": 119.85}
    planted = dataclasses.replace(corpus, tracks=corpus.tracks.assign(**columns))
    sharing.pack(planted, features, tmp_path / "p.h5", names=["log_mel"], licence=LICENCE)
    sharing.unpack(tmp_path / "p.h5", data)
    tracks = corpora.load("pack", data, file="p.h5").tracks[list(columns)]
    pd.testing.assert_frame_equal(tracks, planted.tracks[list(columns)])


def test_a_store_from_a_pack_holds_the_same_values(shared, features, tmp_path):
    again, ids = built(shared, tmp_path / "s.h5"), list(shared.usable.index)
    assert again.features == features.features
    for name in NAMES:
        np.testing.assert_array_equal(again.read(name, ids), features.read(name, ids))
    assert again.frame_s == features.frame_s
    assert again.configuration["made_with"] == features.configuration
    assert again.configuration["pack_digest"] == shared.pack.digest
    assert again.configuration["librosa"] == features.configuration["librosa"]


def test_a_pack_gives_the_same_predictions_as_its_audio(shared, corpus, features, tmp_path):
    written = []
    for place, music, held in (
        ("audio", corpus, features),
        ("pack", shared, built(shared, tmp_path / "s.h5")),
    ):
        workspace = Workspace("trial", tmp_path / place)
        names = ["mel_svm", "cnn_2d"]
        settings = fits.Settings(**SETTINGS)
        planned = fits.plan(names, ["artist_grouped"], music, held, workspace, settings)
        done = experiments.run(planned, music, held, n_jobs=1)
        assert done == {"fitted": len(planned), "kept": 0}
        paths = workspace.predictions.rglob("*.csv.gz")
        written.append({p.relative_to(workspace.root): p.read_bytes() for p in paths})
    assert written[0] == written[1]
    tables = {path.parts[3:5] for path in written[0]}
    assert tables >= {("mel_svm", "artist_grouped"), ("cnn_2d", "artist_grouped")}


def test_the_same_corpus_gives_the_same_bytes(original, corpus, features, tmp_path):
    other = tmp_path / "other.h5"
    sharing.pack(corpus, features, other, names=[*NAMES[::-1], "stack"], licence=f" {LICENCE}\n")
    assert other.read_bytes() == original.read_bytes()
    sharing.pack(corpus, features, tmp_path / "less.h5", names=["log_mel"], licence=LICENCE)
    assert sharing.read(tmp_path / "less.h5").digest != sharing.read(original).digest


def test_the_file_is_as_documented(original):
    with h5py.File(original) as file:
        assert file["features/log_mel"].dtype == np.float16
        assert file["features/log_mel"].chunks == (1, 128, 44)
        assert len(file["features/stack"]) == 31
        assert len(file["tracks/track_id"]) == 32
        assert {*corpora.tracks.COLUMNS} - {"path"} < {*file["tracks"]}
        assert file.attrs["licence"] == LICENCE
        assert file.attrs["corpus"] == "folder"


def test_a_pack_is_described_for_catalogues(original):
    about = json.loads(sharing.describe(sharing.read(original)).read_text("utf-8"))
    (file,) = about["distribution"]
    assert file["contentUrl"] == original.name
    assert file["sha256"] == hashlib.sha256(original.read_bytes()).hexdigest()
    assert about["license"] == LICENCE
    assert about["conformsTo"].endswith("croissant/1.0")
    assert "31 tracks" in about["description"]


def test_no_folder_of_the_machine_is_in_a_pack(corpus, features, tmp_path):
    place = tmp_path / "My Music" / "a.wav"
    reasons = pd.Series({corpus.usable.index[0]: f"line 2: {place} is no file"})
    noted = dataclasses.replace(corpus.without(reasons), notes=(f"read from '{place}', as asked.",))
    sharing.pack(noted, features, tmp_path / "p.h5", names=["log_mel"], licence=LICENCE)
    folder = os.path.dirname(corpus.tracks["path"].iloc[0])
    written = (tmp_path / "p.h5").read_bytes()
    assert str(tmp_path).encode() not in written
    assert folder.encode() not in written
    contents = sharing.read(tmp_path / "p.h5")
    assert contents.tracks["exclude"][reasons.index[0]] == "line 2: My Music/a.wav is no file"
    assert contents.notes == ("read from 'My Music/a.wav', as asked.",)
    for named in ("~jane/music/x.wav", "C:/Users/jane/x.wav", "C:\\jane\\x.wav", "/a/x.wav"):
        assert sharing._without_folders(f"{named} is no file") == "x.wav is no file"
    kept = "rock / pop, AC/DC, https://x.org/a/b, by folders <genre>/<artist>/."
    assert sharing._without_folders(kept) == kept


def test_tracks_that_failed_are_excluded_with_their_reason(corpus, tmp_path):
    broken = corpus.tracks.copy()
    first = corpus.usable.index[0]
    broken.loc[first, ["path", "md5"]] = str(tmp_path / "gone.wav"), ""
    broken = dataclasses.replace(corpus, tracks=broken)
    path = store.build(broken, ["log_mel"], tmp_path / "s.h5", clip_s=0.2, n_jobs=1)
    held = store.open_store(path)
    sharing.pack(broken, held, tmp_path / "p.h5", names=["log_mel"], licence=LICENCE)
    contents = sharing.verify(tmp_path / "p.h5")
    assert contents.tracks["exclude"][first] == held.failures["reason"][first] != ""
    assert first not in contents.usable
    with h5py.File(contents.path) as file:
        packed = file.attrs["corpus_fingerprint"]
    assert packed == broken.without(held.failures["reason"]).fingerprint


# -- what is not let in ----------------------------------------------------------------------------


def change(name, place, value):
    def edit(file):
        file[name][place] = value

    return edit


EDITS = {
    "value": change("features/stack", (3, 0, 0), 7),
    "order": change("features/log_mel", 1, 0),
    "genre": change("tracks/genre", 0, "polka"),
    "duration": change("tracks/duration_s", 0, 2.0),
    "exclusion": change("tracks/exclude", 0, "not wanted"),
    "sum": change("sha256/stack", 3, "0" * 64),
    "licence": lambda file: file.attrs.modify("licence", "Do what you want."),
    "clip": lambda file: file.attrs.modify("configuration", '{"clip_s": 2.0}'),
    "digest": lambda file: file.attrs.modify("digest", "0" * 64),
    "unit": lambda file: file["features/stack"].attrs.modify("unit", "Hz"),
    "added": lambda file: file.create_dataset("more", data=[1]),
    "described": lambda file: file.attrs.create("more", "text"),
    "removed": lambda file: file.pop("features/stack"),
    "nothing said": lambda file: file.attrs.pop("licence"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_pack_is_refused(packed, data, edit):
    with h5py.File(packed, "r+") as file:
        EDITS[edit](file)
    with pytest.raises(GenrelibError, match=r"noise\.h5.*(edited|damaged).*; fetch it again"):
        sharing.unpack(packed, data)
    assert not data.exists()


@pytest.mark.parametrize("kept", [0, 5, 100, 0.1, 0.5, 0.9, -1])
def test_a_pack_that_was_cut_short_is_refused(packed, data, kept):
    size = packed.stat().st_size
    os.truncate(packed, size - 1 if kept == -1 else int(kept if kept > 1 else kept * size))
    with pytest.raises(GenrelibError, match=r"noise\.h5 is .*damaged.*; fetch it again, or ask"):
        sharing.unpack(packed, data)
    assert not data.exists()


@pytest.mark.parametrize("kind", ["external link", "soft link", "external values"])
def test_what_is_kept_in_another_file_is_refused(packed, data, tmp_path, kind):
    """A digest vouches for bytes; whose bytes they are, a link decides."""
    name = f"features/{NAMES[0]}"
    with h5py.File(packed, "r+") as file:
        values, attributes = file[name][:], dict(file[name].attrs)
        del file[name]
        if kind == "external link":
            file[name] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/values")
        elif kind == "soft link":
            file[name] = h5py.SoftLink(f"/features/{NAMES[1]}")
        else:
            (tmp_path / "raw").write_bytes(values.tobytes())
            external = [(str(tmp_path / "raw"), 0, h5py.h5f.UNLIMITED)]
            made = file.create_dataset(name, values.shape, values.dtype, external=external)
            made.attrs.update(attributes)
    with pytest.raises(GenrelibError, match=f"holds /{name}, which is not values of its own"):
        sharing.unpack(packed, data)


def test_a_pack_of_another_version_is_refused(packed, data):
    with h5py.File(packed, "r+") as file:
        file.attrs["version"] = "2"
    with pytest.raises(GenrelibError, match="version 2, this genrelib reads version 1; use the"):
        sharing.unpack(packed, data)


def test_a_feature_that_this_version_lacks_is_named(packed, data, monkeypatch):
    monkeypatch.delitem(sharing.FEATURES, "stack")
    with pytest.raises(GenrelibError, match="holds stack, which this version of genrelib does not"):
        sharing.unpack(packed, data)


def test_what_is_no_pack_is_refused(features, data, tmp_path):
    (tmp_path / "text.h5").write_text("no pack, though long enough to be asked for a signature")
    for path, words in (
        (tmp_path / "text.h5", "is no HDF5 file"),
        (features.path, "an HDF5 file but no feature pack .* packs are made by python -m"),
        (tmp_path, "is no file; name a feature pack"),
        (tmp_path / "nowhere.h5", "is no file; name a feature pack"),
    ):
        with pytest.raises(GenrelibError, match=words):
            sharing.unpack(path, data)


def test_no_edited_value_reaches_a_store(shared, data, tmp_path):
    with h5py.File(data / "packs" / "noise.h5", "r+") as file:
        EDITS["value"](file)
    again = corpora.load("pack", data, file="noise.h5")  # reads no matrix
    track_id = again.usable.index[3]
    with pytest.raises(GenrelibError, match=f"stack of {track_id} is not what was packed"):
        built(again, tmp_path / "s.h5")
    assert not (tmp_path / "s.h5").exists()


def test_a_pack_that_is_replaced_while_in_use_is_refused(shared, corpus, features, data, tmp_path):
    kept = data / "packs" / "noise.h5"
    kept.unlink()
    sharing.pack(corpus, features, kept, names=NAMES, licence="Another.")
    with pytest.raises(GenrelibError, match=r"was replaced by another pack .*; run this again"):
        built(shared, tmp_path / "s.h5")


@pytest.mark.parametrize("clip_s", [0.5, 2.0])
def test_a_clip_of_another_length_is_refused(shared, tmp_path, clip_s):
    with pytest.raises(GenrelibError, match=rf"clip_s={clip_s}, .* clips of 1 s, .*clip_s: 1\.0\."):
        built(shared, tmp_path / "s.h5", clip_s=clip_s)


def test_what_a_pack_lacks_has_a_reason(shared):
    assert [name for name in NAMES if shared.lacks(name)] == []
    assert shared.lacks("chroma").startswith(
        "chroma needs audio; the pack noise.h5 holds log_mel, stack with a frame every 23.2 ms"
    )


# -- packing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("licence", ["", " \n"])
def test_a_licence_note_must_say_something(corpus, features, tmp_path, licence):
    with pytest.raises(GenrelibError, match=r"licence note is empty .*made audible again"):
        sharing.pack(corpus, features, tmp_path / "p.h5", names=NAMES, licence=licence)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["mel"], "unknown feature of the store 'mel'; known: log_mel, stack"),
        (["chroma"], "unknown feature of the store 'chroma'; known: log_mel, stack"),
        (["log_mel", "mfcc"], "unknown feature of the store 'mfcc'"),
    ],
)
def test_features_must_be_known_and_in_the_store(corpus, features, tmp_path, names, words):
    with pytest.raises(GenrelibError, match=words):
        sharing.pack(corpus, features, tmp_path / "p.h5", names=names, licence=LICENCE)
    assert os.listdir(tmp_path) == []


def test_nothing_is_overwritten(corpus, features, tmp_path):
    (tmp_path / "p.h5").write_text("precious")
    with pytest.raises(GenrelibError, match=r"p\.h5 exists; delete it, or name another"):
        sharing.pack(corpus, features, tmp_path / "p.h5", names=NAMES, licence=LICENCE)
    assert (tmp_path / "p.h5").read_text() == "precious"


def test_an_interrupted_pack_leaves_nothing(corpus, features, tmp_path, monkeypatch):
    def interrupt(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(sharing, "_digest", interrupt)
    with pytest.raises(KeyboardInterrupt):
        sharing.pack(corpus, features, tmp_path / "p.h5", names=NAMES, licence=LICENCE)
    assert os.listdir(tmp_path) == []


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np, pandas as pd
from genrelib.store import sharing
ids = [f"{k:03}" for k in range(3 * sharing.TOGETHER)]
tracks = pd.DataFrame({"exclude": "", "path": "/x"}, pd.Index(ids, name="track_id"))
def dying(name, track_ids):
    if ids[-1] in track_ids:
        os.kill(os.getpid(), signal.SIGKILL)
    return np.ones((len(track_ids), 12, 100), np.float16)
sharing.write(Path(sys.argv[1]), tracks, dying, names=["chroma"], n_frames=100, about={})
"""


def test_a_killed_pack_leaves_no_pack_and_the_next_sweeps(corpus, features, tmp_path):
    path = tmp_path / "p.h5"
    process = subprocess.run(
        [sys.executable, "-c", KILLED, str(path)], capture_output=True, check=False
    )
    assert process.returncode == -signal.SIGKILL, process.stderr.decode()
    assert not path.exists()
    sharing.pack(corpus, features, path, names=["log_mel"], licence=LICENCE)
    assert os.listdir(tmp_path) == ["p.h5"]
    sharing.verify(path)


# -- of a size that is not read at once ------------------------------------------------------------

N_FRAMES = 4000


def drawn(path):
    """Hold the same 96 kB for every track."""
    held = np.ones((12, N_FRAMES), np.float32)
    return dict.fromkeys(make_tracks(20, 4).index, held)


def test_memory_does_not_grow_with_the_corpus(tmp_path, data):
    toy = Pack("toy", tmp_path / "toy", 1, 60.0, N_FRAMES, "rows", drawn, {"chroma": lambda x: x})
    tracks, made = make_tracks(20, 4), []
    corpus = Corpus("toy", tracks, GENRES, (), toy)
    path = store.build(corpus, ["chroma"], tmp_path / "s.h5", clip_s=60.0, n_jobs=1)
    held = store.open_store(path)
    path = tmp_path / "p.h5"
    for step in (
        lambda: sharing.pack(corpus, held, path, names=["chroma"], licence=LICENCE),
        lambda: made.append(sharing.unpack(path, data)),
        lambda: made.append(corpora.load("pack", data, file="p.h5")),
    ):
        tracemalloc.start()
        step()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 16e6 < path.stat().st_size / 1.8  # 320 tracks, 31 MB as float16
    assert made[1].pack.frame_s == held.frame_s == 60 / N_FRAMES
    assert made[1].fingerprint == corpus.fingerprint


# -- where packs are -------------------------------------------------------------------------------


def test_a_pack_is_unpacked_once_and_verified_each_time(packed, data):
    kept = sharing.unpack(packed, data).path
    before = kept.stat().st_mtime_ns
    for path in (packed, kept):
        assert sharing.unpack(path, data).path == kept
    assert kept.stat().st_mtime_ns == before
    with h5py.File(kept, "r+") as file:
        EDITS["value"](file)
    with pytest.raises(GenrelibError, match=r"packs/noise\.h5: stack of .* is not what was packed"):
        sharing.unpack(packed, data)


def test_another_pack_of_the_same_name_is_not_replaced(packed, corpus, features, data):
    kept = sharing.unpack(packed, data)
    packed.unlink()
    sharing.pack(corpus, features, packed, names=["stack"], licence=LICENCE)
    with pytest.raises(GenrelibError, match="another pack of the same name; delete it, or rename"):
        sharing.unpack(packed, data)
    assert sharing.read(kept.path).digest == kept.digest


def test_a_pack_is_found_in_the_folder_of_packs_too(packed, data, monkeypatch):
    monkeypatch.setenv(packs.FOLDER, str(packed.parent))
    assert corpora.load("pack", data, file="noise.h5").pack.path == packed
    kept = sharing.unpack(packed, data).path
    assert corpora.load("pack", data, file="noise.h5").pack.path == kept


def test_a_pack_that_is_not_there_says_what_to_do(shared, data, monkeypatch):
    monkeypatch.delenv(packs.FOLDER, raising=False)
    with pytest.raises(GenrelibError, match=r"holds no song\.h5; install .* unpack FILE.* not set"):
        corpora.load("pack", data, file="song.h5")
    with pytest.raises(GenrelibError, match=r"file=None.* installed in .*: noise\.h5\. .* unpack"):
        corpora.load("pack", data)


# -- the command line ------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a study of two genres of noise, in a folder of its own."""
    root = copied_project(tmp_path / "project")
    write_music(root / "noise", n_artists=2, n_songs=1, genres=GENRES[:2])
    parameters = yaml.safe_load((root / "studies" / "folder.yaml").read_text())
    parameters |= {"corpus_options": {"source": "noise"}, "clip_s": 0.5, "systems": ["mel_svm"]}
    parameters |= {"probed": []}
    (root / "studies" / "noise.yaml").write_text(yaml.safe_dump(parameters))
    monkeypatch.chdir(root)
    return root


def call(*arguments) -> int:
    return main([*map(str, arguments)])


def test_a_study_is_packed_and_unpacked_by_command(project, capsys, tmp_path):
    target = tmp_path / "given.h5"
    assert call("pack", "noise", "--licence", LICENCE, "--to", target, "--n-jobs", 1) == 0
    said = capsys.readouterr().out
    contents = sharing.verify(target)
    assert {*contents.features} == {"log_mel"}  # mel_svm's, and the audit's
    for words in (LICENCE, contents.digest, "made audible again", str(target)):
        assert words in said
    capsys.readouterr()
    assert call("unpack", target) == 0
    out = capsys.readouterr().out
    assert contents.digest in out
    told = yaml.safe_load(out[out.index("    corpus: pack") :])
    assert told == {"corpus": "pack", "corpus_options": {"file": "given.h5"}, "clip_s": 0.5}
    parameters = yaml.safe_load((project / "studies" / "pack.yaml").read_text()) | told
    (project / "studies" / "given.yaml").write_text(yaml.safe_dump(parameters))
    asked = parameters_of(Workspace.find("given"))
    corpus = corpora.load(asked["corpus"], project / "data", **asked["corpus_options"])
    assert len(corpus.usable) == 4


def test_commands_that_fail_say_why_and_exit_with_1(project, capsys, tmp_path):
    (tmp_path / "taken.h5").write_text("precious")
    given, new = ["--licence", LICENCE, "--n-jobs", 1, "--to"], tmp_path / "new.h5"
    for arguments, words in (
        (["pack", "noise", *given, tmp_path / "taken.h5"], "taken.h5 exists; delete it"),
        (["pack", "noise", "--licence", " ", "--to", new], "licence note is empty"),
        (["pack", "nose", *given, new], "unknown study 'nose'; known: demo"),
        (["pack", "noise", "--features", "mel", *given, new], "unknown feature 'mel'"),
        (["pack", "noise", "--features", "fma_features", *given, new], "comes with a feature pack"),
        (["unpack", tmp_path / "taken.h5"], "is no HDF5 file"),
        (["unpack", new], "new.h5 is no file"),
    ):
        assert call(*arguments) == 1
        captured = capsys.readouterr()
        assert captured.err.splitlines()[-1].startswith("error: ")
        assert words in captured.err
        assert captured.out == ""
        assert not new.exists()
    assert (tmp_path / "taken.h5").read_text() == "precious"


def test_the_licence_note_is_asked_for_with_a_word_on_rights(project, capsys, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        call("pack", "noise", "--to", tmp_path / "new.h5")
    assert stopped.value.code == 2
    assert "--licence" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        call("pack", "--help")
    assert "answers for the right to share it" in " ".join(capsys.readouterr().out.split())


def test_the_store_is_what_is_called(monkeypatch, capsys, tmp_path, project):
    monkeypatch.setattr(sys, "argv", ["genrelib", "unpack", str(tmp_path / "nowhere.h5")])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # imported before, by these tests
        with pytest.raises(SystemExit) as stopped:
            runpy.run_module("genrelib", run_name="__main__")
    assert stopped.value.code == 1
    assert capsys.readouterr().err.startswith("error: ")
