import shutil

import numpy as np
import pytest
import soundfile

from genrelib.base.errors import GenrelibError
from genrelib.corpora import folders, load


def sound(path, seed=0, duration_s=1.5, sr=22050):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, round(duration_s * sr))
    soundfile.write(path, noise, sr, format=None if path.suffix.lower() != ".wav" else "WAV")
    return path


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "my music"
    for seed, name in enumerate(
        ["rock/one.wav", "rock/Two Words.WAV", "Jazz/três.flac", "Jazz/b.ogg"]
    ):
        sound(root / name, seed)
    return root


def loaded(root, **options):
    return load("folder", root.parent / "data", source=root, **options)


def test_a_plain_collection(root):
    corpus = loaded(root)
    assert list(corpus.tracks.index) == ["Jazz.b", "Jazz.três", "rock.Two Words", "rock.one"]
    assert corpus.genres == ("Jazz", "rock")
    assert len(corpus.usable) == 4
    assert corpus.tracks["artist"]["rock.one"] == "(unknown) rock.one"
    assert corpus.tracks["group"].is_unique
    assert any("4 of 4 tracks have no known artist" in note for note in corpus.notes)
    assert not (root.parent / "data").exists()


def test_mp3_is_read(root):
    sound(root / "rock/three.mp3", 5)
    assert "rock.three" in loaded(root).usable.index


def test_the_artist_is_the_folder_between(root):
    for seed, name in enumerate(["The Band/x.wav", "The Band/album/x.wav", "band/y.wav"], start=7):
        sound(root / "rock" / name, seed)
    corpus = loaded(root)
    band = corpus.tracks[corpus.tracks["artist"] == "The Band"]
    assert set(band.index) == {"rock.The Band.x", "rock.The Band.album.x", "rock.band.y"}
    assert band["group"].nunique() == 1
    assert any("band -> The Band" in note for note in corpus.notes)


def test_the_list_names_artists_and_titles(root):
    (root / "tracks.csv").write_text(
        "file,artist,title\nrock/one.wav,Ana; Bob,One\nJazz/b.ogg,bob,\nJazz/três.flac,,Three\n"
        "rock/gone.wav,Cy,\ngone.wav,Cy,\n",
        encoding="utf-8-sig",
    )
    corpus = loaded(root)
    tracks = corpus.tracks
    assert tracks.loc["rock.one", ["artist", "title"]].tolist() == ["Ana; Bob", "One"]
    assert tracks.loc["Jazz.b", "group"] == tracks.loc["rock.one", "group"]
    assert tracks.loc["Jazz.três", ["artist", "title"]].tolist() == ["(unknown) Jazz.três", "Three"]
    assert tracks.loc["rock.gone.wav", "exclude"].startswith(
        "missing: tracks.csv lists rock/gone.wav"
    )
    assert any("gone.wav" in note and "no place below" in note for note in corpus.notes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"name,artist\na,b\n", "has the columns"),
        (b"file,artist,mood\na,b,c\n", "has the columns"),
        (b"file,artist\nrock/one.wav,A\nrock/one.wav,B\n", "twice"),
        (b"file,artist\nrock/\xff.wav,A\n", "UTF-8"),
        (b"", "has the columns"),
    ],
)
def test_a_malformed_list_is_refused(root, text, said):
    (root / "tracks.csv").write_bytes(text)
    with pytest.raises(GenrelibError, match=said):
        loaded(root)


@pytest.mark.parametrize("line", ["rock/one.wav,Ana,x", ",Ana", '"a,b'])
def test_one_bad_line_of_the_list_is_noted_with_its_number(root, line):
    (root / "tracks.csv").write_text(f"file,artist\n{line}\nJazz/b.ogg,Bob\n")
    corpus = loaded(root)
    assert corpus.tracks.loc["Jazz.b", "artist"] == "Bob"
    (note,) = [note for note in corpus.notes if "line 2" in note]
    assert note.startswith("tracks.csv, 1 (line 2): ")
    assert note.endswith("; not used.")


def test_a_nickname_in_quotation_marks_stays(root):
    (root / "tracks.csv").write_text(
        'file,artist,title\nrock/one.wav,"Weird Al" Yankovic,"Eat It, Now"\n', "utf-8"
    )
    track = loaded(root).tracks.loc["rock.one"]
    assert track["artist"] == '"Weird Al" Yankovic'
    assert track["title"] == "Eat It, Now"


@pytest.mark.parametrize("name", ["Unknown Artist", "various artists", "N/A", "VA", "<unknown>"])
def test_words_for_nobody_are_no_artist(root, name):
    (root / "tracks.csv").write_text(f"file,artist\nrock/one.wav,{name}\nJazz/b.ogg,{name}\n")
    tracks = loaded(root).tracks
    assert tracks.loc["rock.one", "artist"] == "(unknown) rock.one"
    assert tracks.loc["rock.one", "group"] != tracks.loc["Jazz.b", "group"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("m\u00fasica", "mu\u0301sica"),
        ("Hip-Hop", "Hip Hop"),
        ("soul\u00a0music", "soul music"),
        ("blues ", "blues"),
        ("ROCK", "rock"),
    ],
)
def test_spellings_of_a_genre_are_one_genre(root, one, other):
    for number, name in enumerate((one, other, other)):
        sound(root / name / f"x{number}.wav", number)
    if len([path for path in root.iterdir() if path.name in (one, other)]) < 2:
        pytest.skip("this file system does not tell these names apart")
    corpus = loaded(root)
    same = corpus.tracks.filter(regex=r"x\d$", axis="index")["genre"]
    assert set(same) == {other if one != "m\u00fasica" else one}
    assert len(corpus.genres) == (2 if other == "rock" else 3)


def test_parts_of_a_split_are_no_genres(root):
    for part in ("train", "Test"):
        sound(root / "split" / part / "rock" / "x.wav")
    with pytest.raises(GenrelibError, match=r"Test, train, which are parts of a split"):
        loaded(root / "split")


def test_many_folders_are_questioned(root):
    for number in range(folders.MANY_GENRES):
        sound(root / f"Artist {number}" / "Album" / "x.wav", number, duration_s=1.0)
    assert any("Are they artists" in note for note in loaded(root).notes)


def test_audio_of_other_kinds_is_counted(root):
    for name in ("a.webm", "b.mka", "c.oga", "d.mp2", "e.ac3", "f.caf", "g.w64", "h.aifc"):
        (root / "rock" / name).write_bytes(b"x")
    corpus = loaded(root)
    others = corpus.tracks[corpus.tracks["exclude"].str.contains("of a kind that is not read")]
    assert len(others) == 8
    assert any(note.startswith("8 files are audio of a kind that is not") for note in corpus.notes)


def test_trailing_commas_change_nothing(root):
    """Spreadsheets write them, and lines of commas alone."""
    (root / "tracks.csv").write_text("file,artist\nrock/one.wav,Ana,\nJazz/b.ogg,Bob,,\n,,\n,,\n")
    tracks = loaded(root).tracks
    assert tracks.loc[["rock.one", "Jazz.b"], "artist"].tolist() == ["Ana", "Bob"]


def test_equal_files_stay_together(root):
    shutil.copy(root / "rock/one.wav", root / "Jazz/copy.wav")
    corpus = loaded(root)
    assert corpus.tracks.loc["Jazz.copy", "group"] == corpus.tracks.loc["rock.one", "group"]
    assert any("byte for byte" in note for note in corpus.notes)


def test_ids_are_unique_whatever_the_names(root):
    sound(root / "rock/one.flac", 5)
    sound(root / "rock/a/b.wav", 6)
    sound(root / "rock/a.b.wav", 7)
    ids = loaded(root).tracks.index
    assert {"rock.one.wav", "rock.one.flac", "rock.a.b.wav", "rock.a.b.wav~2"} <= set(ids)


def test_what_is_unusable_is_a_row_with_a_reason(root):
    (root / "rock/empty.wav").touch()
    (root / "rock/empty2.wav").touch()
    (root / "rock/text.wav").write_text("no audio")
    (root / "rock/folder.wav").mkdir()
    (root / "rock/link.wav").symlink_to(root / "nowhere")
    (root / "rock/other.m4a").write_bytes(b"x")
    sound(root / "rock/short.wav", 5, duration_s=0.1)
    corpus = loaded(root)
    excluded = corpus.tracks[corpus.tracks["exclude"] != ""]
    assert len(excluded) == 7
    assert len(corpus.usable) == 4
    assert ".m4a is audio of a kind that is not read" in excluded.loc["rock.other", "exclude"]
    # empty files are equal, but that says nothing of their artists
    assert excluded.loc["rock.empty", "group"] != excluded.loc["rock.empty2", "group"]


def test_a_name_that_is_no_text_is_a_row(root):
    odd = b"%s/rock/bad\xff.wav" % bytes(root)
    try:
        shutil.copy(bytes(root / "rock/one.wav"), odd)
    except OSError:
        pytest.skip("this file system refuses names that are not UTF-8")
    corpus = loaded(root)
    assert "not valid UTF-8" in corpus.tracks.loc["rock.bad\\udcff", "exclude"]
    corpus.tracks.to_csv(root.parent / "tracks.csv", encoding="utf-8")
    assert corpus.fingerprint


def test_what_is_no_audio_is_noted(root):
    (root / "rock/cover.jpg").touch()
    (root / "rock/._one.wav").touch()
    (root / ".DS_Store").touch()
    sound(root / "loose.wav")
    notes = " ".join(loaded(root).notes)
    assert "1 (rock/cover.jpg) are no audio" in notes
    assert "1 (loose.wav) lie outside" in notes
    assert "._one" not in notes


def test_links_are_followed_once(root, tmp_path):
    sound(tmp_path / "elsewhere/x.wav", 9)
    (root / "metal").symlink_to(tmp_path / "elsewhere")
    (root / "rock/loop").symlink_to(root)
    corpus = loaded(root)
    assert corpus.genres == ("Jazz", "metal", "rock")
    assert len(corpus.tracks) == 5


@pytest.mark.parametrize("source", [None, "", "  "])
def test_a_source_is_needed(tmp_path, source):
    with pytest.raises(GenrelibError, match="needs one"):
        load("folder", tmp_path, source=source)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(GenrelibError, match="nowhere"):
        load("folder", tmp_path, source=tmp_path / "nowhere")
    with pytest.raises(GenrelibError, match="is not a folder"):
        load("folder", tmp_path, source=sound(tmp_path / "a.wav"))


def test_two_genres_are_needed(root, tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(GenrelibError, match="0 genres"):
        load("folder", tmp_path, source=tmp_path / "none")
    shutil.rmtree(root / "Jazz")
    with pytest.raises(GenrelibError, match="1 genres"):
        loaded(root)


def test_two_usable_genres_are_needed(root):
    for path in (root / "Jazz").iterdir():
        path.write_bytes(b"")
    with pytest.raises(GenrelibError, match=r"Jazz.b: b.ogg is empty"):
        loaded(root)


def test_a_genre_without_usable_tracks_is_noted(root):
    (root / "pop").mkdir()
    (root / "pop/x.wav").touch()
    corpus = loaded(root)
    assert corpus.genres == ("Jazz", "rock")
    assert any("no usable track is left of pop" in note for note in corpus.notes)


def test_the_fingerprint_knows_data_not_places(root, tmp_path):
    first = loaded(root).fingerprint
    moved = root.rename(tmp_path / "moved")
    assert loaded(moved).fingerprint == first
    sound(moved / "rock/one.wav", seed=99)
    assert loaded(moved).fingerprint != first


def test_below_is_sorted_and_free_of_strays(root):
    (root / "._x").touch()
    found = [path.relative_to(root).as_posix() for path in folders.files_below(root)]
    assert found == ["Jazz/b.ogg", "Jazz/três.flac", "rock/Two Words.WAV", "rock/one.wav"]


def test_folders_that_link_to_each_other_are_walked_once(root):
    for number in range(8):
        (root / f"genre {number}").mkdir()
        sound(root / f"genre {number}" / "x.wav", number, duration_s=1.0)
        for other in range(8):
            (root / f"genre {number}" / f"link {other}").symlink_to(root / f"genre {other}")
    outside = root.parent / "outside"
    sound(outside / "y.wav")
    (outside / "again").symlink_to(outside)
    (root / "rock" / "more").symlink_to(outside)
    assert len(loaded(root).tracks) == 4 + 8 + 1
