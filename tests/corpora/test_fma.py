"""FMA's audio end to end, on a tiny copy in its format: fetched, verified, split, never fatal."""

import dataclasses
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from helpers import fma_copy
from helpers.builders import ROOT
from helpers.local_server import serving

from genrelib import corpora, protocols, store, systems
from genrelib.base.errors import GenrelibError
from genrelib.corpora import archives, fetching, fma, tracks
from genrelib.corpora import fma as fma_metadata
from genrelib.features import n_frames
from genrelib.store.file import size_of


@pytest.fixture(scope="session")
def copy(tmp_path_factory):
    return fma_copy.make(tmp_path_factory.mktemp("fma"))


@pytest.fixture
def installed(copy, monkeypatch):
    """Return the copy, which the loaders expect now, in a mirror folder."""
    copy.install(monkeypatch)
    monkeypatch.setenv(fetching.MIRROR, str(copy.mirror))
    return copy


@pytest.fixture(scope="session")
def small(copy, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        copy.install(patch)
        patch.setenv(fetching.MIRROR, str(copy.mirror))
        return corpora.load("fma_small", tmp_path_factory.mktemp("data"))


def row_of(copy, track):
    return copy.tracks.loc[int(track)]


# -- the tracks table ------------------------------------------------------------------------------


def test_the_table_keeps_the_contract(small, copy):
    pd.testing.assert_frame_equal(small.tracks, tracks.checked(small.tracks))
    subset = copy.tracks["set", "subset"]
    assert list(small.tracks.index) == [f"{n:06d}" for n in subset.index[subset == "small"]]
    assert small.genres == ("Hip-Hop", "Pop", "Rock")
    assert all(Path(path).is_file() for path in small.usable["path"])


def test_rows_say_what_tracks_csv_says(small, copy):
    parts = {"training": "train", "validation": "valid", "test": "test"}
    for track, row in small.tracks.iterrows():
        known = row_of(copy, track)
        assert row["genre"] == known["track", "genre_top"]
        assert row["title"] == known["track", "title"].strip()
        assert row["official_split"] == parts[known["set", "split"]]
    assert '"live"\nat home' in small.tracks.loc["000002", "title"]


def test_artists_are_told_apart_by_their_number(small, copy):
    number = copy.tracks["artist", "id"].rename(lambda n: f"{n:06d}")[small.tracks.index]
    artist = small.tracks["artist"]
    assert (
        artist.nunique() == number.nunique() == pd.crosstab(artist, number).astype(bool).sum().sum()
    )
    twins = artist[artist.str.startswith("The Twins (")]
    assert twins.nunique() == 2
    assert len(set(small.tracks.loc[twins.index, "group"])) == 1
    assert artist.str.fullmatch(r"\(unknown\) artist \d+").any()


def test_equal_recordings_are_one_group_whoever_plays(small):
    copies = small.usable[small.usable["md5"].duplicated(keep=False)]
    assert copies["artist"].nunique() == 2
    assert len(set(copies["group"])) == 1


@pytest.mark.parametrize("name", ["fma_small", "fma_medium", "fma_large"])
def test_each_edition_holds_its_subset_and_excludes_what_is_broken(installed, tmp_path, name):
    corpus = corpora.load(name, tmp_path)
    excluded = corpora.exclusions(corpus)["exclude"]
    without_genre = corpus.tracks["genre"] == fma_metadata.NO_GENRE
    assert set(excluded.index) == {*installed.faults, *corpus.tracks.index[without_genre]}
    for track, said in installed.faults.items():
        assert said in excluded[track]
    assert without_genre.sum() == (10 if name == "fma_large" else 0)
    assert ("Old-Time / Historic" in corpus.genres) == (name != "fma_small")
    assert len(corpus.tracks) == installed.sizes[name]


def test_known_clips_are_excluded_with_the_publishers_reason(small):
    assert "lasts 1.6 s (mdeff/fma#8)" in small.tracks.loc["098565", "exclude"]
    assert {"099134", "108925", "133297"} <= set(fma.KNOWN)


def test_the_notes_count_licences_and_what_is_short(small):
    notes = " ".join(small.notes)
    assert "Attribution-NonCommercial-NoDerivatives (aka Music Sharing) 3.0 International" in notes
    assert "(not stated)" in notes
    assert "23 of the 30 clips of fma_small are used" in notes
    noted = " ".join(small.noting_short_clips(30.0).notes)
    assert "23 tracks are shorter than clips of 30 s and are filled up with silence" in noted
    assert "Groups on several sides of it: 1 (" in notes


def test_licences_are_kept_with_the_metadata(installed, tmp_path):
    table = fma_metadata.annotations(fma_metadata.folder(tmp_path / "raw"), "small")
    known = installed.tracks["track", "license"].rename(lambda n: f"{n:06d}")
    assert (table["licence"] == known[table.index]).all()


def test_the_official_split_keeps_artists_apart(small):
    usable = small.usable
    masks = next(protocols.official(usable, 3, 0))
    sides = [set(usable["artist"][mask]) for mask in masks]
    assert all(sides)
    assert sum(map(len, sides)) == len(set.union(*sides))
    assert sum(map(sum, masks)) == len(usable)


def test_features_come_from_the_clips(small, tmp_path):
    path = store.build(small, ["log_mel"], tmp_path / "fma.h5", clip_s=2.0, n_jobs=1)
    built = store.open_store(path)
    assert built.failures.empty
    assert built.read("log_mel", list(small.usable.index)).shape[:2] == (len(small.usable), 128)
    assert "fma_features" in small.lacks("fma_features")
    with pytest.raises(GenrelibError, match="comes with a feature pack only"):
        store.build(small, ["fma_features"], tmp_path / "b.h5", clip_s=2.0, n_jobs=1)


def test_artists_are_kept_apart_by_protocol_too(small):
    for fold in protocols.folds("artist_grouped", small.usable, n_folds=3, n_repeats=1, seed=0):
        assert protocols.overlap(fold, small.usable)["known_group"] == 0


# -- from the net ----------------------------------------------------------------------------------


@pytest.fixture
def server(copy, monkeypatch):
    """Serve the copy as a mirror URL; waits are noted, not waited."""
    copy.install(monkeypatch)
    waits = []
    monkeypatch.setattr(fetching.time, "sleep", waits.append)
    files = {
        f"/{path.relative_to(copy.mirror).as_posix()}": path.read_bytes()
        for path in copy.mirror.rglob("*.zip")
    }
    with serving(files) as server:
        monkeypatch.setenv(fetching.MIRROR, server.url)
        yield server


def test_a_cut_connection_costs_what_was_wanting_only(server, small, tmp_path):
    place = f"/{fma_copy.HOST}/fma_small.zip"
    server.faults[place] = [{"status": 503}, {"cut_after": 400_000}, {"cut_after": 200_000}]
    corpus = corpora.load("fma_small", tmp_path)
    assert corpus.fingerprint == small.fingerprint
    ranges = [asked for where, asked in server.asked if where == place]
    assert ranges[:2] == ["", ""]
    assert all(asked.startswith("bytes=") for asked in ranges[2:])
    assert len(ranges) == 4
    asked = len(server.asked)
    shutil.rmtree(tmp_path / "raw" / "downloads")
    assert corpora.load("fma_small", tmp_path).fingerprint == small.fingerprint
    assert len(server.asked) == asked


@pytest.mark.parametrize("form", ["folders", "archives"])
def test_what_is_there_already_is_not_fetched(server, copy, small, tmp_path, form):
    own = tmp_path / "own"
    for name in ("fma_small", "fma_metadata"):
        archive = copy.mirror / fma_copy.HOST / f"{name}.zip"
        if form == "archives":
            own.mkdir(exist_ok=True)
            shutil.copy(archive, own)
        else:
            archives.extract(archive, own / "unpacked", identity=name)
            (own / "unpacked" / archives.MARKER).unlink()
    source = own / "unpacked" if form == "folders" else own
    before = sorted(source.rglob("*"))
    corpus = corpora.load("fma_small", tmp_path / "data", source=source)
    assert server.asked == []
    assert corpus.fingerprint == small.fingerprint
    assert sorted(source.rglob("*")) == before
    features = corpora.load("fma_features", tmp_path / "data", source=source)
    assert len(features.usable)


def test_another_archive_of_that_name_is_refused(copy, installed, tmp_path):
    shutil.copy(copy.mirror / fma_copy.HOST / "fma_medium.zip", tmp_path / "fma_small.zip")
    with pytest.raises(GenrelibError, match="is not the archive that FMA published"):
        corpora.load("fma_small", tmp_path / "data", source=tmp_path)


def test_a_source_that_is_not_there_is_an_error(installed, tmp_path):
    with pytest.raises(GenrelibError, match=r"source='nowhere' does not exist .* fma_"):
        corpora.load("fma_small", tmp_path / "data", source="nowhere")


def test_a_wrong_archive_is_refused_before_anything_is_extracted(server, tmp_path):
    place = f"/{fma_copy.HOST}/fma_small.zip"
    server.files[place] = server.files[place][:-1] + b"x"
    with pytest.raises(GenrelibError, match="holds something with the checksum sha1:"):
        corpora.load("fma_small", tmp_path)
    assert not (tmp_path / "raw" / "fma_small").exists()
    server.files[place] = b""
    with pytest.raises(GenrelibError, match="checksum"):
        corpora.load("fma_small", tmp_path)


def test_without_room_nothing_is_fetched(server, tmp_path, monkeypatch):
    edition = fma.EDITIONS["fma_small"]
    usage = type("Usage", (), {"free": 2 * edition.n_bytes - 1})
    monkeypatch.setattr("genrelib.base.files.shutil.disk_usage", lambda _: usage)
    with pytest.raises(GenrelibError, match=r"clips of FMA-small and their archive need .* GB"):
        corpora.load("fma_small", tmp_path)
    assert server.asked == []


def test_room_is_asked_for_what_is_not_there_yet(tmp_path, monkeypatch):
    """An edition that was accepted once can be gone on with on the same disk."""
    edition = dataclasses.replace(fma.EDITIONS["fma_small"], n_bytes=1000)
    raw = tmp_path / "raw"
    where = fma._Where("fma_small", edition.url, edition.checksum, raw)
    kept = raw / "downloads" / fetching.layout(edition.url)

    def is_refused(free):
        usage = type("Usage", (), {"free": free})
        monkeypatch.setattr("genrelib.base.files.shutil.disk_usage", lambda _: usage)
        try:
            where.check_room(1000, 1000, what="the clips", remedy="")
        except GenrelibError:
            return True
        return False

    monkeypatch.delenv(fetching.MIRROR, raising=False)
    assert is_refused(1999)
    assert not is_refused(2000)
    kept.parent.mkdir(parents=True)
    kept.with_name(f"{kept.name}.part").write_bytes(bytes(900))
    assert not is_refused(1100)
    assert is_refused(1099)
    kept.write_bytes(bytes(1000))
    assert not is_refused(0)  # extracting asks for itself


@pytest.mark.parametrize("name", fma.EDITIONS)
def test_the_studies_say_what_they_need(name):
    study = yaml.safe_load((ROOT / "studies" / f"{name}.yaml").read_text())
    said, clips = study["about"], fma.EDITIONS[name].n_bytes
    archive, content = fma.METADATA_BYTES
    assert f"download of {(clips + archive) / 1e9:.0f} GB" in said
    assert f"{(2 * clips + archive + content) / 1e9:.0f} GB of disk for the clips" in said
    assert f"({(clips + content) / 1e9:.0f} GB when the archives are deleted)" in said
    features = {*systems.features_of(systems.chosen(study["systems"])), "log_mel", "chroma"}
    n_clips = int(re.search(r"([\d,]+) clips", said)[1].replace(",", ""))
    size = size_of(n_clips, features, n_frames(study["clip_s"])) / 1e9
    assert f"{size:.0f} GB for the features" in said


# -- the second time -------------------------------------------------------------------------------


@pytest.fixture
def decoded(monkeypatch):
    log = []
    original = tracks._decode_file
    monkeypatch.setattr(
        tracks, "_decode_file", lambda path: log.append(path.stem) or original(path)
    )
    return log


def test_clips_are_decoded_once(installed, tmp_path, decoded, small):
    first = corpora.load("fma_small", tmp_path)
    assert len(decoded) == len(set(decoded)) == len(first.tracks) - 3
    del decoded[:]
    again = corpora.load("fma_small", tmp_path)
    assert decoded == []
    pd.testing.assert_frame_equal(again.tracks, first.tracks)
    assert again.fingerprint == small.fingerprint


def test_a_clip_that_changed_is_verified_again(installed, tmp_path, decoded):
    first = corpora.load("fma_small", tmp_path)
    path = Path(first.usable["path"].iloc[0])
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes(bytes(content))
    del decoded[:]
    again = corpora.load("fma_small", tmp_path)
    assert decoded == [path.stem]
    reason = again.tracks.loc[path.stem, "exclude"]
    assert "differs from the published" in reason or "can't be decoded" in reason


def test_a_damaged_record_of_what_was_found_is_made_again(installed, tmp_path, decoded):
    first = corpora.load("fma_small", tmp_path)
    (record,) = tmp_path.rglob("verified.csv")
    for content in (b"", record.read_bytes()[:20], b"\xff\x00" + record.read_bytes()):
        record.write_bytes(content)
        del decoded[:]
        pd.testing.assert_frame_equal(corpora.load("fma_small", tmp_path).tracks, first.tracks)
        assert len(decoded) == len(first.tracks) - 3


def test_verifying_in_batches_finds_the_same(installed, tmp_path, small, monkeypatch):
    monkeypatch.setattr(tracks, "_BATCH", 7)
    monkeypatch.setattr(tracks, "_CHUNK", 3)
    assert corpora.load("fma_small", tmp_path, n_jobs=1).fingerprint == small.fingerprint


def test_decoding_damaged_clips_says_nothing_on_the_screen(installed, tmp_path, capfd):
    corpora.load("fma_small", tmp_path)
    assert "mpg123" not in capfd.readouterr().err


# -- other formats are said, not guessed -----------------------------------------------------------


@pytest.fixture
def metadata(installed, tmp_path):
    return fma_metadata.folder(tmp_path / "raw")


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("tracks.csv", "genre_top", "top_genre", "the columns track genre_top are wanting"),
        ("tracks.csv", ",Rock,", ",Polka,", "top genre 'Polka', which genres.csv does not know"),
        ("tracks.csv", "validation", "valid8n", "part of the split 'valid8n'"),
        ("tracks.csv", "\n375,", "\nx375,", "x375"),
        ("genres.csv", "top_level", "top", "top_level"),
    ],
)
def test_a_table_in_another_format_is_refused(metadata, file, old, new, said):
    path = metadata / file
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(GenrelibError, match=said):
        fma_metadata.annotations(metadata, "small")


def test_a_table_without_a_row_of_the_index_name_is_read_too(metadata):
    before = fma_metadata.annotations(metadata, "small")
    path = metadata / "tracks.csv"
    lines = path.read_text(encoding="utf-8").split("\n")
    assert lines[2].startswith("track_id,")
    path.write_text("\n".join(lines[:2] + lines[3:]), encoding="utf-8")
    pd.testing.assert_frame_equal(fma_metadata.annotations(metadata, "small"), before)


def test_an_empty_table_and_unknown_subsets_are_refused(metadata):
    with pytest.raises(GenrelibError, match="unknown subset of FMA 'tiny'; known: large, medium"):
        fma_metadata.annotations(metadata, "tiny")
    (metadata / "tracks.csv").write_text("a,b\n")
    with pytest.raises(GenrelibError, match=r"not in FMA's format .Passed header"):
        fma_metadata.annotations(metadata, "small")
