import hashlib
import io
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers.gtzan_copy import ARTIST, MINI, TRACKS, TWINS, Fake, noise

from genrelib import store
from genrelib.base.errors import GenrelibError
from genrelib.corpora import credits, fetching, gtzan, load, packed, summary
from genrelib.corpora import gtzan as gtzan_index
from genrelib.corpora.gtzan import GENRES
from genrelib.features import HOP_LENGTH, SR, extract
from genrelib.features.compiled import librosa
from genrelib.store import packs
from genrelib.store.file import size_of

ARTIST |= {"jazz.00000": "", "jazz.00001": "", "pop.00000": "Artist 2; Artist 3"}


@pytest.fixture
def fake(tmp_path, monkeypatch):
    return Fake(tmp_path, monkeypatch)


def test_gtzan_comes_from_the_mirror_whole(fake):
    corpus = load("gtzan", fake.data)
    assert list(corpus.tracks.index) == sorted(TRACKS)
    assert corpus.genres == GENRES
    assert (corpus.tracks["exclude"] == "").all()
    assert corpus.tracks.loc["blues.00001", "title"] == "Títle 1"
    assert corpus.tracks["official_split"].value_counts().to_dict() == {
        "train": 5, "valid": 5, "test": 5, "": 5,
    }  # fmt: skip
    assert any("20 of 20 tracks hold" in note for note in corpus.notes)
    for path in corpus.tracks["path"]:
        assert Path(path).is_relative_to(fake.data / "raw/gtzan")


def test_mini_is_a_part_of_the_whole_with_its_groups(fake):
    whole, mini = load("gtzan", fake.data), load("gtzan_mini", fake.data)
    assert list(mini.tracks.index) == sorted(MINI)
    for column in ("genre", "artist", "group", "official_split", "md5"):
        assert mini.tracks[column].equals(whole.tracks.loc[mini.tracks.index, column])


def test_groups_join_collaborations_twins_and_unknowns(fake):
    tracks = load("gtzan", fake.data).tracks
    group = tracks["group"]
    assert tracks.loc["jazz.00000", "artist"] == "(unknown) jazz.00000"
    assert group["jazz.00000"] == group["jazz.00001"] == "(unknown) jazz"
    assert group["pop.00000"] == group["country.00000"] == group["disco.00001"]
    assert group[TWINS[0]] == group[TWINS[1]]
    assert group.nunique() == 8


def test_a_second_load_reads_no_archive(fake):
    first = load("gtzan_mini", fake.data)
    (fake.mirror / "github.com/main.zip").unlink()
    assert load("gtzan_mini", fake.data).fingerprint == first.fingerprint


def test_a_deleted_file_is_restored(fake):
    path = Path(load("gtzan_mini", fake.data).tracks["path"].iloc[0])
    path.unlink()
    assert len(load("gtzan_mini", fake.data).usable) == len(MINI)


def test_a_changed_file_is_noticed(fake):
    path = Path(load("gtzan_mini", fake.data).tracks.loc["rock.00000", "path"])
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    corpus = load("gtzan_mini", fake.data)
    assert corpus.tracks.loc["rock.00000", "exclude"].startswith("md5 ")
    assert "differs from the published" in corpus.tracks.loc["rock.00000", "exclude"]
    assert len(corpus.usable) == len(MINI) - 1
    assert "rock" not in corpus.genres


@pytest.mark.parametrize("layout", ["genres", "Data/genres_original", "a/b/c"])
def test_a_local_folder_in_any_layout(fake, layout, tmp_path):
    shutil.copytree(fake.genres, tmp_path / "mine" / layout)
    (tmp_path / "mine" / "images_original/blues").mkdir(parents=True)
    (tmp_path / "mine" / "images_original/blues/blues00000.png").touch()
    for source in {tmp_path / "mine", tmp_path / "mine" / layout}:
        corpus = load("gtzan", fake.data, source=source)
        assert len(corpus.usable) == len(TRACKS)
        assert not (fake.data / "raw/gtzan").exists()


@pytest.mark.parametrize(
    ("edition", "name"), [("gtzan", "hf.co/genres.tar.gz"), ("gtzan_mini", "github.com/main.zip")]
)
def test_a_local_archive(fake, edition, name, tmp_path):
    source = shutil.copy(fake.mirror / name, tmp_path / "given")
    corpus = load(edition, fake.data, source=str(source))
    assert (corpus.tracks["exclude"] == "").all()
    assert load(edition, fake.data, source=str(source)).fingerprint == corpus.fingerprint


def test_mini_from_the_whole_says_what_is_left_aside(fake):
    corpus = load("gtzan_mini", fake.data, source=fake.genres)
    assert len(corpus.tracks) == len(MINI)
    assert any("10 files belong to the whole GTZAN" in note for note in corpus.notes)


def test_faults_of_a_copy_are_rows_with_reasons(fake):
    fake.audio("jazz.00001").write_bytes(b"corrupt as in the Kaggle copy")
    fake.audio("blues.00000").write_bytes(b"")
    fake.audio("disco.00000").unlink()
    os.symlink("nowhere", fake.audio("disco.00000"))
    fake.audio("country.00000").unlink()
    fake.audio("rock.00001").rename(fake.genres / "rock/ROCK.00001.WAV")
    soundfile.write(fake.genres / "rock/rock.00100.wav", noise("rock.00000"), 22050)
    soundfile.write(fake.genres / "mine.wav", noise("rock.00000"), 22050)
    shutil.copy(fake.audio("pop.00001"), fake.genres / "rock/pop.00001.wav")
    corpus = load("gtzan", fake.data, source=fake.genres)
    reasons = corpus.tracks["exclude"][corpus.tracks["exclude"] != ""]
    said = {
        "jazz.00001": "differs from the published",
        "blues.00000": "differs from the published",
        "disco.00000": "a broken link",
        "country.00000": "missing",
        "rock.00100": "not in the published index",
        "mine.wav": "not in the published index",
        "rock/pop.00001.wav": "not in the published index",
    }
    assert set(reasons.index) == set(said)
    for track, words in said.items():
        assert words in reasons[track]
    assert "can't be decoded" in reasons["jazz.00001"]
    counts = summary(corpus).loc["(all)"]
    assert counts["tracks"] == len(TRACKS) + 3
    assert counts["usable"] == len(TRACKS) - 4


def test_au_files_are_compared_as_wav(fake):
    for track in ("blues.00000", "blues.00001"):
        fake.audio(track).unlink()
        samples = noise(track) + (track == "blues.00001")
        soundfile.write(fake.audio(track).with_suffix(".au"), samples, 22050)
    corpus = load("gtzan", fake.data, source=fake.genres)
    assert (corpus.tracks["exclude"] == "").all()
    notes = [note for note in corpus.notes if ".au" in note]
    assert len(notes) == 1
    assert notes[0].startswith("1 .au files")
    assert "blues.00001.au" in notes[0]


def test_when_nothing_works_the_message_names_what_does(fake, monkeypatch):
    monkeypatch.setattr(gtzan, "DEAD", {"gtzan": (gtzan._ORIGINAL,)})
    (fake.mirror / "hf.co/genres.tar.gz").unlink()
    with pytest.raises(GenrelibError) as caught:
        load("gtzan", fake.data)
    for said in (
        "source=",
        gtzan.KAGGLE,
        fetching.MIRROR,
        "gtzan_mini",
        gtzan._ORIGINAL[0],
        "dead",
    ):
        assert said in str(caught.value)


def test_a_copy_that_fails_is_followed_by_the_next(fake, monkeypatch):
    good = gtzan.ARCHIVES["gtzan"][0]
    bad = ("https://web.archive.org/genres.tar.gz", "sha256:" + "0" * 64)
    monkeypatch.setattr(gtzan, "ARCHIVES", {"gtzan": (bad, good)})
    assert len(load("gtzan", fake.data).usable) == len(TRACKS)


@pytest.mark.parametrize("make", [None, "text", "empty folder", "other audio"])
def test_a_useless_source_is_named(fake, tmp_path, make):
    source = tmp_path / "given"
    if make == "text":
        source.write_text("no archive")
    elif make:
        source.mkdir()
    if make == "other audio":
        soundfile.write(source / "song.wav", noise("rock.00000"), 22050)
    with pytest.raises(GenrelibError, match="given"):
        load("gtzan", fake.data, source=source)


def test_lists_are_read_whatever_their_ends_and_letters():
    text = "# x\r\n\nrock.00000.wav ::: A ::: B  \nrock.00001.wav ::: :::\npop.00000.wav ::: ::: T"
    rows = gtzan_index.parse_artists(text)
    assert rows.to_dict("index") == {
        "rock.00000": {"artist": "A", "title": "B"},
        "rock.00001": {"artist": "", "title": ""},
        "pop.00000": {"artist": "", "title": "T"},
    }


def test_every_change_to_an_artist_has_a_reason():
    changes = gtzan_index.changes()
    assert (changes["reason"] != "").all()
    assert (changes["raw"] != changes["used"]).sum() + (changes["grouped_with"] != "").sum() >= 6


# ---- the feature pack

OPEN = [track for number, track in enumerate(TRACKS) if number % 4 != 2]  # 2: the test split


def write_pack(folder, tracks=OPEN, **arrays):
    """Write a pack of random levels, or of the given arrays."""
    shape = (len(tracks), *packed.SHAPE)
    levels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    arrays = {"track_id": np.array(tracks, dtype="<U15"), "log_mel_u8": levels} | arrays
    folder.mkdir(exist_ok=True)
    path = folder / "gtzan_mel_dev.npz"
    np.savez_compressed(path, **{name: a for name, a in arrays.items() if a is not None})
    return path


@pytest.fixture
def pack_folder(fake, tmp_path, monkeypatch):
    folder = tmp_path / "packs"
    monkeypatch.setenv(packs.FOLDER, str(folder))
    return folder


def test_a_pack_becomes_a_corpus(fake, pack_folder):
    path = write_pack(pack_folder, OPEN[::-1])  # in any order
    corpus = load("gtzan_mel_dev", fake.data)
    whole = load("gtzan", fake.data).tracks
    assert list(corpus.tracks.index) == list(corpus.usable.index) == sorted(OPEN)
    for column in ("genre", "artist", "title", "group", "official_split"):
        assert corpus.tracks[column].equals(whole.loc[sorted(OPEN), column])
    assert set(corpus.tracks["official_split"]) == {"", "train", "valid"}
    assert set(corpus.tracks["path"]) == {str(path)}
    assert set(corpus.tracks["duration_s"]) == {30.0}
    levels = np.load(path)["log_mel_u8"][::-1]
    md5 = [hashlib.md5(level.tobytes()).hexdigest() for level in levels]
    assert corpus.tracks["md5"].tolist() == md5
    assert set(corpus.pack.makers) == {"log_mel", "mfcc"}
    assert corpus.pack.frame_s == 30 / 387
    said = " ".join(corpus.notes)
    for words in ("15 of GTZAN's 20 tracks", "The 5 tracks", "sealed", "8 bit", "77.5 ms"):
        assert words in said
    assert "wanting" not in said


def test_a_pack_says_what_it_lacks(fake, pack_folder):
    write_pack(pack_folder, OPEN[1:])
    corpus = load("gtzan_mel_dev", fake.data)
    assert f"1 of the others wanting: {OPEN[0]}." in corpus.notes[0]
    assert corpus.lacks("log_mel") == corpus.lacks("mfcc") == ""
    assert corpus.lacks("chroma") == (
        "chroma needs audio; the pack gtzan_mel_dev holds log-mel with a frame every 77.5 ms, "
        "from which it cannot be had"
    )


def test_features_of_the_pack_are_decibels_and_their_cosine_transform(fake, pack_folder, tmp_path):
    path = write_pack(pack_folder)
    corpus = load("gtzan_mel_dev", fake.data)
    built = store.build(corpus, ["log_mel", "mfcc"], tmp_path / "s.h5", clip_s=30.0, n_jobs=1)
    held = store.open_store(built)
    decibels = np.load(path)["log_mel_u8"].astype(float) / 255 * 80 - 80
    np.testing.assert_allclose(held.read("log_mel", OPEN), decibels, atol=0.04)
    expected = librosa.feature.mfcc(S=decibels, n_mfcc=20)
    np.testing.assert_allclose(held.read("mfcc", OPEN), expected, rtol=1e-3, atol=1e-3)
    assert held.read("mfcc", OPEN).shape == (len(OPEN), 20, 387)


def test_levels_are_the_whole_range():
    levels = np.array([[0, 255]], dtype=np.uint8)
    assert packed.log_mel(levels).tolist() == [[-80.0, 0.0]]
    assert packed.log_mel(levels).dtype == np.float32


def test_a_pack_with_a_sealed_track_is_refused(fake, pack_folder):
    write_pack(pack_folder, [*OPEN, TRACKS[2]])
    with pytest.raises(GenrelibError, match=rf"1 tracks .* are sealed .*: {TRACKS[2]}\. It is not"):
        load("gtzan_mel_dev", fake.data)


@pytest.mark.parametrize(
    ("tracks", "words"),
    [
        ([*OPEN, "polka.00000"], r"1 tracks of .* are not among the known tracks: polka\.00000"),
        ([*OPEN, *OPEN[:2]], "2 tracks of .* are held more than once: blues"),
    ],
)
def test_a_pack_of_other_tracks_is_refused(fake, pack_folder, tracks, words):
    write_pack(pack_folder, tracks)
    with pytest.raises(GenrelibError, match=words):
        load("gtzan_mel_dev", fake.data)


@pytest.mark.parametrize(
    "arrays",
    [
        {"log_mel_u8": np.zeros((len(OPEN), 128, 386), np.uint8)},
        {"log_mel_u8": np.zeros((len(OPEN), 96, 387), np.uint8)},
        {"log_mel_u8": np.zeros((len(OPEN) - 1, 128, 387), np.uint8)},
        {"log_mel_u8": np.zeros((len(OPEN), 128, 387), np.float32)},
        {"log_mel_u8": np.zeros((), np.uint8)},
        {"track_id": np.arange(len(OPEN))},
        {"track_id": np.array([OPEN])},
        {"track_id": np.array(OPEN[0])},
        {"track_id": np.array(OPEN, dtype=object)},
        {"track_id": None},
        {"log_mel_u8": None},
    ],
    ids=lambda arrays: " ".join(f"{k} {getattr(v, 'dtype', '')}" for k, v in arrays.items()),
)
def test_a_pack_of_another_form_is_refused(fake, pack_folder, arrays):
    write_pack(pack_folder, **arrays)
    with pytest.raises(GenrelibError, match=r"gtzan_mel_dev.*: fetch it again"):
        load("gtzan_mel_dev", fake.data)


@pytest.mark.parametrize("damage", ["text", "cut", "flipped", "empty"])
def test_a_damaged_pack_is_refused(fake, pack_folder, damage):
    path = write_pack(pack_folder)
    content = bytearray(path.read_bytes())
    if damage == "cut":
        del content[len(content) // 2 :]
    elif damage == "flipped":
        content[len(content) // 2] ^= 0xFF
    else:
        content[:] = b"no pack" if damage == "text" else b""
    path.write_bytes(content)
    with pytest.raises(GenrelibError, match=r"or is damaged .*: fetch it again"):
        load("gtzan_mel_dev", fake.data)


def test_without_a_pack_the_variable_is_named(fake, monkeypatch):
    monkeypatch.delenv(packs.FOLDER, raising=False)
    with pytest.raises(GenrelibError, match=r"GENRELIB_PACKS is not set; .* gtzan_mel_dev\.npz"):
        load("gtzan_mel_dev", fake.data)


# ---- the real thing, where a mirror holds it


@pytest.fixture(scope="module")
def real():
    mirror = Path(os.environ.get(fetching.MIRROR) or "nowhere").absolute()
    place = mirror / fetching.layout(gtzan_index.ARTISTS[0])
    if not place.is_file():
        pytest.skip(f"needs {fetching.MIRROR}=<folder> with {place.name}; see docs/layouts.md")
    return mirror


@pytest.fixture
def downloads(real, tmp_path, monkeypatch):
    monkeypatch.setenv(fetching.MIRROR, str(real))
    return tmp_path


def test_real_annotations(downloads):
    known = gtzan_index.annotations(downloads)
    assert known["genre"].value_counts().to_dict() == dict.fromkeys(GENRES, 100)
    assert known["artist"].map(credits.is_unknown).sum() == 17
    parts = known["official_split"].value_counts()
    assert parts.to_dict() == {"train": 443, "valid": 197, "test": 290, "": 70}
    assert known["group"].nunique() == 265
    assert credits.one_spelling(known["artist"]) == {}
    together = [
        ("reggae.00087", "hiphop.00039"),  # Lauryn Hill; Bob Marley
        ("reggae.00087", "reggae.00000"),
        ("pop.00012", "country.00005"),  # five singers, Shania Twain among them
        ("rock.00016", "metal.00058"),  # one file in two genres
        ("pop.00010", "rock.00057"),  # "Sting Unplugged"
        ("jazz.00047", "jazz.00093"),  # unknown, both jazz
    ]
    for one, other in together:
        assert known.loc[one, "group"] == known.loc[other, "group"]
    assert known.loc["jazz.00047", "group"] != known.loc["metal.00011", "group"]


def test_real_changes_all_apply(downloads):
    index = gtzan_index.parse_artists(
        fetching.fetch(*gtzan_index.ARTISTS, downloads).read_text(encoding="utf-8")
    )
    for change in gtzan_index.changes().itertuples():
        hit = index["artist"] == change.raw
        assert (hit & (index.index == change.track_id)).any() if change.track_id else hit.any()


def test_real_equal_files_share_a_group(downloads):
    md5 = gtzan_index.published_md5("gtzan", downloads)
    group = gtzan_index.annotations(downloads)["group"]
    by_md5 = {}
    for track, value in md5.items():
        by_md5.setdefault(value, []).append(track)
    pairs = [tracks for tracks in by_md5.values() if len(tracks) > 1]
    assert len(pairs) == 14
    assert all(len(pair) == 2 and group[pair].nunique() == 1 for pair in pairs)


def test_real_mini(real, downloads):
    if not (real / fetching.layout(gtzan.ARCHIVES["gtzan_mini"][0][0])).is_file():
        pytest.skip("the mirror lacks gtzan_mini's archive; see docs/layouts.md")
    corpus = load("gtzan_mini", downloads)
    assert len(corpus.tracks) == len(corpus.usable) == 100
    assert summary(corpus).loc[list(GENRES), "usable"].eq(10).all()
    assert corpus.tracks["duration_s"].between(29.9, 30.7).all()
    track = corpus.tracks.loc["blues.00000"]
    samples, sr = soundfile.read(track["path"], dtype="int16")
    path = downloads / "blues.00000.au"
    soundfile.write(path, samples, sr)
    assert gtzan._md5_as_wav(path) == track["md5"]


needs_pack = pytest.mark.skipif(
    packs.FOLDER not in os.environ,
    reason=f"REAL PACK NOT TESTED: set {packs.FOLDER} to the folder of gtzan_mel_dev.npz",
)


@pytest.fixture
def real_pack(downloads):
    return load("gtzan_mel_dev", downloads)


@needs_pack
def test_real_pack(real_pack, tmp_path):
    tracks = real_pack.tracks
    assert len(tracks) == len(real_pack.usable) == 709
    parts = tracks["official_split"].value_counts()
    assert parts.to_dict() == {"train": 442, "valid": 197, "": 70}
    assert real_pack.genres == GENRES
    assert "jazz.00054" in real_pack.notes[0]
    path = tmp_path / "s.h5"
    store.build(real_pack, ["log_mel", "mfcc"], path, clip_s=30.0, n_jobs=1)
    expected = size_of(709, ["log_mel", "mfcc"], real_pack.pack.frames(30.0))
    assert path.stat().st_size == pytest.approx(expected, rel=0.01)
    held = store.open_store(path)
    log_mel = held.read("log_mel", list(tracks.index))
    assert log_mel.shape == (709, 128, 387)
    assert log_mel.min() == -80
    assert -5 < log_mel.max(axis=(1, 2)).min() <= log_mel.max() == 0
    again = librosa.feature.mfcc(S=log_mel[100], n_mfcc=20)
    np.testing.assert_allclose(held.read("mfcc", [tracks.index[100]])[0], again, atol=0.5)


@needs_pack
def test_real_pack_is_the_log_mel_of_the_audio(real, real_pack):
    archive = real / fetching.layout(gtzan.ARCHIVES["gtzan_mini"][0][0])
    if not archive.is_file():
        pytest.skip("the mirror lacks gtzan_mini's archive; see docs/layouts.md")
    levels = packed.read_levels(real_pack.pack.path)["blues.00000"]
    with zipfile.ZipFile(archive) as members:
        (name,) = [name for name in members.namelist() if name.endswith("/blues.00000.wav")]
        y, sr = soundfile.read(io.BytesIO(members.read(name)))
    whole = extract(y, sr, ["log_mel"])["log_mel"]
    for position, frame in enumerate(packed.log_mel(levels).T):
        distance = np.abs(whole - frame[:, None]).mean(axis=0)  # dB, per frame of the audio
        assert distance.min() < 0.2
        second = distance.argmin() * HOP_LENGTH / SR
        middle = (position + 0.5) * real_pack.pack.frame_s
        assert abs(second - middle) < real_pack.pack.frame_s / 2
