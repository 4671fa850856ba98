import hashlib
import io
import json
import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from genrelib.corpora import credits, download, gtzan, gtzan_index, load, summary
from genrelib.corpora.gtzan import GENRES
from genrelib.errors import GenrelibError

PER_GENRE = 2
TRACKS = [f"{genre}.{number:05d}" for genre in GENRES for number in range(PER_GENRE)]
MINI = TRACKS[::PER_GENRE]
ARTIST = {track: f"Artist {number // 2}" for number, track in enumerate(TRACKS)}
ARTIST |= {"jazz.00000": "", "jazz.00001": "", "pop.00000": "Artist 2; Artist 3"}
TWINS = ("rock.00000", "metal.00001")


def noise(track):
    seed = TRACKS.index("rock.00000" if track in TWINS else track)
    return (np.random.default_rng(seed).uniform(-0.5, 0.5, 24000) * 2**15).astype(np.int16)


def digest(algorithm, content):
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


class Fake:
    """A mirror that holds a small GTZAN, wrong in nothing."""

    def __init__(self, folder, monkeypatch):
        self.mirror = folder / "mirror"
        self.genres = folder / "source" / "genres"
        for track in TRACKS:
            path = self.genres / track.partition(".")[0] / f"{track}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, noise(track), 22050)
        self.data = folder / "data"
        lines = [f"{t}.wav ::: {ARTIST[t]} ::: Títle {n}  " for n, t in enumerate(TRACKS)]
        index = "\r\n".join(["## remark", "", *lines, ""]).encode("latin-1")
        lists = {
            part: "\r\n".join(f"{t[:-6]}/{t}.wav " for t in TRACKS[start::4]).encode()
            for start, part in enumerate(gtzan_index.FILTERED)
        }
        monkeypatch.setenv(download.MIRROR, str(self.mirror))
        monkeypatch.setattr(gtzan_index, "ARTISTS", self.publish("st.org/index.txt", index))
        filtered = {p: self.publish(f"st.org/{p}.txt", text) for p, text in lists.items()}
        monkeypatch.setattr(gtzan_index, "FILTERED", filtered)
        indexes = {"gtzan": self.index(TRACKS), "gtzan_mini": self.index(MINI)}
        monkeypatch.setattr(gtzan_index, "INDEXES", indexes)
        monkeypatch.setattr(gtzan, "DEAD", {"gtzan": (), "gtzan_mini": ()})
        archives = {"gtzan": (self.tar(),), "gtzan_mini": (self.zip(),)}
        monkeypatch.setattr(gtzan, "ARCHIVES", archives)

    def publish(self, place, content, algorithm="sha256"):
        path = self.mirror / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return f"https://{place}?download=1", digest(algorithm, content)

    def audio(self, track):
        return self.genres / track.partition(".")[0] / f"{track}.wav"

    def index(self, tracks):
        md5 = {t: hashlib.md5(self.audio(t).read_bytes()).hexdigest() for t in tracks}
        listed = {t: {"audio": [f"x/{t}.wav", md5[t]], "beats": ["b", "0"]} for t in tracks}
        content = json.dumps({"version": "1", "tracks": listed}).encode()
        return self.publish(f"zenodo.org/{len(tracks)}.json", content, "md5")

    def tar(self):
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w:gz") as archive:
            for track in TRACKS:
                stray = tarfile.TarInfo(f"genres/{track[:-6]}/._{track}.wav")
                stray.size = 211
                archive.addfile(stray, io.BytesIO(b"x" * 211))
                archive.add(self.audio(track), f"genres/{track[:-6]}/{track}.wav")
        return self.publish("hf.co/genres.tar.gz", target.getvalue())

    def zip(self):
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as archive:
            archive.writestr("mini-main/genres/bl.mf", "x")
            archive.writestr("mini-main/genres/.DS_Store", "x")
            for track in MINI:
                archive.write(self.audio(track), f"mini-main/genres/{track[:-6]}/{track}.wav")
        return self.publish("github.com/main.zip", target.getvalue(), "md5")


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
        download.MIRROR,
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
    for broken in ("rock.00000.wav A B", "rock.00000.wav ::: A ::: B\n" * 2):
        with pytest.raises(GenrelibError, match="of the artist index"):
            gtzan_index.parse_artists(broken)


def test_every_change_to_an_artist_has_a_reason():
    changes = gtzan_index.changes()
    assert (changes["reason"] != "").all()
    assert (changes["raw"] != changes["used"]).sum() + (changes["grouped_with"] != "").sum() >= 6


# ---- the real thing, where a mirror holds it


@pytest.fixture(scope="module")
def real():
    mirror = Path(os.environ.get(download.MIRROR) or "nowhere").absolute()
    place = mirror / download.layout(gtzan_index.ARTISTS[0])
    if not place.is_file():
        pytest.skip(f"needs {download.MIRROR}=<folder> with {place.name}; see data/README.md")
    return mirror


@pytest.fixture
def downloads(real, tmp_path, monkeypatch):
    monkeypatch.setenv(download.MIRROR, str(real))
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
        gtzan_index._text(download.fetch(*gtzan_index.ARTISTS, downloads))
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
    if not (real / download.layout(gtzan.ARCHIVES["gtzan_mini"][0][0])).is_file():
        pytest.skip("the mirror lacks gtzan_mini's archive; see data/README.md")
    corpus = load("gtzan_mini", downloads)
    assert len(corpus.tracks) == len(corpus.usable) == 100
    assert summary(corpus).loc[list(GENRES), "usable"].eq(10).all()
    assert corpus.tracks["duration_s"].between(29.9, 30.7).all()
    track = corpus.tracks.loc["blues.00000"]
    samples, sr = soundfile.read(track["path"], dtype="int16")
    path = downloads / "blues.00000.au"
    soundfile.write(path, samples, sr)
    assert gtzan._md5_as_wav(path) == track["md5"]
