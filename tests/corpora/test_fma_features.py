"""FMA's precomputed features: a pack whose feature no audio has."""

import re
from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest
from helpers import fma_copy

from genrelib import corpora, store, systems
from genrelib import inspection as audit
from genrelib.base.errors import GenrelibError
from genrelib.corpora import fetching, tracks
from genrelib.corpora import fma as fma_metadata
from genrelib.features import FEATURES
from genrelib.store import packs
from genrelib.store.file import size_of


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    return fma_copy.make(tmp_path_factory.mktemp("fma"), songs=2, seconds=1.2)


@pytest.fixture(autouse=True)
def _installed(copy, monkeypatch):
    copy.install(monkeypatch)
    monkeypatch.setenv(fetching.MIRROR, str(copy.mirror))


@pytest.fixture
def corpus(tmp_path):
    return corpora.load("fma_features", tmp_path / "data")


def test_the_values_are_those_of_features_csv(corpus, copy, tmp_path):
    path = store.build(corpus, ["fma_features"], tmp_path / "f.h5", clip_s=30.0, n_jobs=1)
    built = store.open_store(path)
    ids = list(corpus.usable.index)
    values = built.read("fma_features", ids)
    assert values.shape == (len(ids), 518, 1)
    assert values.dtype == np.float32
    known = copy.features.loc[[int(track) for track in ids]].to_numpy()
    largest = np.finfo(np.float16).max
    np.testing.assert_allclose(values[:, :, 0], np.clip(known, -largest, largest), rtol=2**-10)
    assert (known > largest).sum() == 1
    assert "values beyond 65504, cut off there: 1." in corpus.notes
    with h5py.File(path) as file:
        assert "statistics" in file["features/fma_features"].attrs["unit"]


def test_the_columns_keep_their_names(copy):
    names = [" ".join(name) for name in copy.features.columns]
    assert names == list(fma_metadata.COLUMNS)
    assert names[0] == "chroma_cens kurtosis 01"


def test_the_table_keeps_the_contract_and_excludes_with_reasons(corpus, copy):
    pd.testing.assert_frame_equal(corpus.tracks, tracks.checked(corpus.tracks))
    excluded = corpora.exclusions(corpus)["exclude"]
    ids = [f"{n:06d}" for n in copy.tracks.index]
    assert excluded.to_dict() == {
        ids[2]: "1 of its 518 features are not finite",
        ids[4]: "all its features are zero: its extraction failed",
    }
    assert (corpus.usable["duration_s"] >= 180).all()
    assert {"train", "valid", "test"} == set(corpus.usable["official_split"])


def test_a_track_without_features_is_missing(copy, tmp_path):
    metadata = fma_metadata.folder(tmp_path / "raw")
    path = metadata / "features.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:4] + lines[5:]))
    # the archive says another size of it: only its own loader is asked here
    made = fma_metadata.features(metadata, metadata.parent)
    held = fma_metadata.read_features(made)
    assert len(held) == len(copy.features) - 1
    assert fma_metadata._reason_of_values(held.get("000002"), "Rock").startswith("missing: ")


@pytest.mark.parametrize(("subset", "n_genres"), [("small", 3), ("medium", 4), ("large", 4)])
def test_subsets_are_those_of_the_clips(copy, tmp_path, subset, n_genres):
    corpus = corpora.load("fma_features", tmp_path, subset=subset)
    assert len(corpus.genres) == n_genres
    assert len(corpus.tracks) == copy.sizes[f"fma_{subset}"]


def test_features_csv_is_parsed_once(corpus, tmp_path, monkeypatch):
    def parsed(_source):
        raise AssertionError

    monkeypatch.setattr(fma_metadata, "_check_columns", parsed)
    assert corpora.load("fma_features", tmp_path / "data").fingerprint == corpus.fingerprint


def test_parsing_in_small_pieces_gives_the_same(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(fma_metadata, "_ROWS", 7)
    assert corpora.load("fma_features", tmp_path / "new").fingerprint == corpus.fingerprint


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (r"(?m),[^,]*$", "", "517 columns instead of 518"),
        ("kurtosis", "kurt", "the column 'chroma_cens kurt 01' where 'chroma_cens kurtosis 01'"),
        ("e-01", "e-x1", "not in FMA's format"),
        ("\n2,", "\ntwo,", "not in FMA's format"),
    ],
)
def test_another_format_is_refused_and_leaves_nothing(tmp_path, old, new, said):
    metadata = fma_metadata.folder(tmp_path / "raw")
    path = metadata / "features.csv"
    path.write_text(re.sub(old, new, path.read_text()))
    with pytest.raises(GenrelibError, match=said):
        fma_metadata.features(metadata, metadata.parent)
    assert not list(metadata.parent.glob("*.npz"))


# -- a feature that only packs have ----------------------------------------------------------------


def test_corpora_say_that_they_lack_it(corpus, tracks):
    audio = corpora.Corpus("any", tracks, ("blues", "rock"), ())
    assert corpus.lacks("fma_features") == ""
    assert audio.lacks("fma_features").startswith("fma_features comes with a feature pack only")
    other = replace(corpus.pack, name="toy", makers={}, n_frames=24, content="rows")
    assert other.lacks("fma_features").startswith(
        "fma_features comes with another pack; the pack toy holds rows with a frame every"
    )
    for feature in FEATURES:
        assert corpus.lacks(feature) == (
            f"{feature} needs audio; the pack fma_features holds 518 statistics of each whole "
            "track, from which it cannot be had"
        )
    for any_corpus in (audio, corpus):
        with pytest.raises(GenrelibError, match="unknown feature 'mel'; known: chroma, fma_feat"):
            any_corpus.lacks("mel")


def test_the_audit_finds_equal_values_without_any_picture(corpus, tmp_path):
    assert audit.features_of(corpus) == []
    path = store.build(corpus, [], tmp_path / "f.h5", clip_s=30.0, n_jobs=1)
    one, other = corpus.usable.index[:2]
    tracks = corpus.tracks.copy()
    tracks.loc[other, "md5"] = tracks.loc[one, "md5"]
    found = audit.pairs(replace(corpus, tracks=tracks), store.open_store(path))
    assert found[["track", "other", "fault"]].to_numpy().tolist() == [[other, one, "duplicate"]]


def test_systems_of_other_features_are_not_available(corpus):
    names, lacking = systems.available(["mel_svm", "gmm"], corpus)
    assert names == []
    assert list(lacking["feature"]) == ["log_mel", "stack"]


@pytest.mark.parametrize("clip_s", [0.5, 14.0, 30.0])
def test_any_clip_has_the_same_values(corpus, clip_s):
    assert corpus.pack.frames(clip_s) == 1
    held = np.arange(518, dtype=np.float32)
    np.testing.assert_array_equal(corpus.pack.matrix(held, "fma_features", clip_s)[:, 0], held)


@pytest.mark.parametrize("clip_s", [0.0, 31.0, float("nan")])
def test_a_clip_that_no_track_has_is_an_error(corpus, clip_s):
    with pytest.raises(GenrelibError, match="holds 30 s of each track"):
        corpus.pack.frames(clip_s)


def test_it_is_no_feature_of_audio():
    assert not set(packs.PACKED) & set(FEATURES)
    with pytest.raises(GenrelibError, match="can't be computed from audio"):
        packs.PACKED["fma_features"].compute(None)
    assert size_of(1000, ["fma_features"], 1) > 518 * 2 * 1000


def test_a_store_of_nothing_can_be_opened(corpus, tmp_path):
    path = store.build(corpus, [], tmp_path / "f.h5", clip_s=30.0, n_jobs=1)
    built = store.open_store(path)
    assert built.features == built.track_ids == ()
    assert built.failures.empty
    store.build(corpus, ["fma_features"], path, clip_s=30.0, n_jobs=1)
    assert built.features == ("fma_features",)
    assert store.build(corpus, [], path, clip_s=30.0, n_jobs=1) == path
    assert built.features == ("fma_features",)
