"""A list of links becomes a corpus: politely fetched, cut, grouped, every failure by its line."""

import io
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from helpers.builders import small_project
from helpers.local_server import serving
from helpers.notebooks import run_here

from genrelib import corpora, protocols, store
from genrelib.base.errors import GenrelibError
from genrelib.base.seeds import rng
from genrelib.corpora import fetching, listed, tracks
from genrelib.corpora import listed as cutting
from genrelib.corpora import listed as links
from genrelib.features import SR

GENRES = ("blues", "rock", "drone")
HEADER = "url_or_path,genre,artist,title\n"


def song(name, seconds=1.5, sr=8000, form="WAV"):
    """Return noise as an audio file: another for each name."""
    y = 0.2 * rng(0, name).normal(size=int(seconds * sr)).clip(-4, 4)
    target = io.BytesIO()
    soundfile.write(target, y, sr, format=form)
    return target.getvalue()


def write_list(path: Path, rows) -> Path:
    lines = [",".join(f'"{cell}"' for cell in row) for row in rows]
    path.write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def waits(monkeypatch):
    """Note waits instead of waiting."""
    noted = []
    monkeypatch.setattr(fetching.time, "sleep", noted.append)
    return noted


@pytest.fixture
def server(monkeypatch):
    monkeypatch.delenv(fetching.MIRROR, raising=False)
    with serving({}) as server:
        yield server


@pytest.fixture
def forty(server, tmp_path, waits):
    """Write a list of 40 links; return its path and why lines of it come to nothing."""
    rows, reasons = [], {}
    for number in range(40):
        genre, artist = GENRES[number % 3], f"{GENRES[number % 3]} artist {number % 12}"
        form = "MP3" if number % 4 else "WAV"
        place = f"/songs/{number}.{form.lower()}"
        server.files[place] = song(f"song {number}", sr=16000 if form == "MP3" else 8000, form=form)
        rows.append([server.url + place, genre, artist, f"song {number}"])
    server.files["/songs/0.wav"] = song("long", seconds=65)
    for number in (3, 17, 31):
        del server.files[f"/songs/{number}.mp3"]
        reasons[number + 2] = "status 404"
    server.faults["/songs/5.mp3"] = 9 * [{"status": 500}]
    reasons[5 + 2] = "without a byte gained: status 500"
    server.files["/songs/8.wav"] = b"<html>not found</html>" * 40
    reasons[8 + 2] = "can't be decoded"
    server.files["/songs/9.mp3"] = b""
    reasons[9 + 2] = "is empty"
    server.files["/songs/10.mp3"] = server.files["/songs/11.mp3"][:900]
    reasons[10 + 2] = "at least 1 s are needed"
    rows[20][0] = rows[19][0]
    reasons[20 + 2] = "the same as line 21"
    rows[22][1] = ""
    reasons[22 + 2] = "no genre"
    rows[23][0] = "ftp://example.org/a.mp3"
    reasons[23 + 2] = "ftp is not fetched"
    rows[26][0] = "absent/26.wav"
    reasons[26 + 2] = "absent/26.wav is no file"
    server.files["/songs/28.wav"] = server.files["/songs/24.wav"]  # the same bytes, two artists
    rows[33][2:] = ["The  ROCK artist 1", "Song 13!"]  # the same song as line 15
    rows[13][2:] = ["rock artist 1", "song 13"]
    server.faults["/songs/12.wav"] = [{"status": 503}, {"cut_after": 20_000}, {"delay_s": 0.0}]
    return write_list(tmp_path / "forty.csv", rows), reasons


@pytest.fixture
def corpus(forty, tmp_path):
    return corpora.load("list", tmp_path / "data", source=forty[0], pause_s=0.0)


def line_of(track):
    return int(track[:5])


# -- the corpus ------------------------------------------------------------------------------------


def test_forty_links_become_a_corpus_and_failures_are_listed_by_line(corpus, forty):
    excluded = corpora.exclusions(corpus)["exclude"]
    assert {line_of(track) for track in excluded.index} == set(forty[1])
    for line, said in forty[1].items():
        reason = excluded[f"{line:05d}"]
        assert reason.startswith(f"line {line}: ")
        assert said in reason
    assert corpus.genres == tuple(sorted(GENRES))
    assert len({line_of(track) for track in corpus.usable.index}) == 40 - len(forty[1])
    pd.testing.assert_frame_equal(corpus.tracks, tracks.checked(corpus.tracks))
    notes = " ".join(corpus.notes)
    assert f"{40 - len(forty[1])} of 40 lines became {len(corpus.usable)} segments" in notes
    assert "answers for the rights" in notes
    assert f"{len(forty[1])} lines came to nothing: line 5: " in notes


def test_songs_are_cut_into_segments_of_30_seconds(corpus):
    long = corpus.tracks.loc[["00002.000", "00002.001"]]
    assert list(long["duration_s"]) == [30.0, 30.0]
    assert list(long["start_s"]) == [0.0, 30.0]
    assert "00002.002" not in corpus.tracks.index
    assert long["group"].nunique() == len(set(long["song"])) == 1
    for path in long["path"]:
        assert soundfile.info(path).samplerate == SR
    assert corpus.tracks.loc["00003.000", "duration_s"] == pytest.approx(1.5, abs=0.1)


def test_segments_follow_each_other_without_a_gap(server, tmp_path, waits):
    whole = np.repeat(np.arange(65 * 50, dtype=np.float32) / 4000, SR // 50)
    target = io.BytesIO()
    soundfile.write(target, whole, SR, format="WAV", subtype="PCM_16")
    (tmp_path / "steps.wav").write_bytes(target.getvalue())
    songs = pd.DataFrame({"path": [tmp_path / "steps.wav"], "md5": ["x"]}, index=[7])
    segments, troubles = cutting.cut_songs(songs, tmp_path / "cut", n_jobs=1)
    assert troubles == {}
    pieces = [soundfile.read(tmp_path / "cut/x" / s["file"])[0] for s in segments[7]]
    joined = np.concatenate(pieces)
    np.testing.assert_allclose(joined, whole[: len(joined)], atol=1e-4)
    assert len(joined) == 60 * SR


def test_a_header_that_promises_more_than_there_is(tmp_path):
    content = song("cut", seconds=64, sr=16000, form="MP3")
    (tmp_path / "cut.mp3").write_bytes(content[: int(len(content) * 0.7)])
    songs = pd.DataFrame({"path": [tmp_path / "cut.mp3"], "md5": ["x"]})
    segments, troubles = cutting.cut_songs(songs, tmp_path / "cut", n_jobs=1)
    assert troubles == {}
    assert [s["duration_s"] for s in segments[0]] == [30.0]


def test_what_belongs_together_is_one_group(corpus):
    group = corpus.usable["group"]
    by_artist = corpus.usable.groupby("artist")["group"].agg(set)
    assert (by_artist.map(len) == 1).all()
    assert group["00026.000"] == group["00030.000"]  # the same bytes
    assert group["00015.000"] == group["00035.000"]  # the same song in another spelling
    notes = " ".join(corpus.notes)
    assert "byte for byte the same, and kept in one group: lines 26, 30." in notes
    assert "the same artist and title, and kept in one group: lines 15, 35." in notes
    assert "The ROCK artist 1 -> rock artist 1" in notes


def test_no_song_is_on_both_sides_of_a_split(corpus, tmp_path):
    folds = protocols.folds("artist_grouped", corpus.usable, n_folds=2, n_repeats=1, seed=0)
    for fold in folds:
        sides = [{line_of(track) for track in part} for part in (fold.train, fold.test)]
        assert not sides[0] & sides[1]
    path = store.build(corpus, ["log_mel"], tmp_path / "f.h5", clip_s=2.0, n_jobs=1)
    assert store.open_store(path).failures.empty


def test_a_list_becomes_a_study_and_its_report_lists_failures_by_line(forty, server, tmp_path):
    path, reasons = forty
    del server.files["/songs/5.mp3"], server.faults["/songs/5.mp3"]
    reasons[7] = "status 404"  # at once, not after waiting
    own = {"corpus_options": {"source": str(path), "pause_s": 0.0}, "clip_s": 1.0, "n_folds": 2}
    root = small_project(tmp_path / "project", corpus="list", systems=["knn", "mel_svm"], **own)
    run_here(root, "small", only=["01", "03", "09"])
    report = root / "reports" / "small"
    excluded = pd.read_csv(report / "tables" / "01_exclusions.csv", index_col=0, dtype=str)
    assert set(excluded.index) == {f"{line:05d}" for line in reasons}
    for line, said in reasons.items():
        reason = excluded.loc[f"{line:05d}", "exclude"]
        assert reason.startswith(f"line {line}: ")
        assert said in reason
    assert len(pd.read_csv(report / "tables" / "09_scores.csv")) == 2 * 2
    page = (report / "index.html").read_text()
    assert "answers for the rights" in page
    assert "line 22: the same as line 21" in page
    assert not (report / "audio").exists()


# -- polite ----------------------------------------------------------------------------------------


def test_nothing_is_asked_for_twice(corpus, forty, server, tmp_path):
    del server.asked[:]
    again = corpora.load("list", tmp_path / "data", source=forty[0], pause_s=0.0)
    assert server.asked == []
    pd.testing.assert_frame_equal(again.tracks, corpus.tracks)


def test_a_failed_link_is_asked_for_again_after_a_day(corpus, forty, server, tmp_path):
    server.files["/songs/3.mp3"] = song("late", sr=16000, form="MP3")
    del server.asked[:]
    for path in (tmp_path / "data").rglob("*.failed"):
        old = time.time() - links.AGAIN_AFTER_S["failed"] - 60
        os.utime(path, (old, old))
    again = corpora.load("list", tmp_path / "data", source=forty[0], pause_s=0.0)
    assert "00005.000" in again.usable.index
    asked = {where for where, _ in server.asked}
    assert asked == {*(f"/songs/{n}.mp3" for n in (3, 9, 17, 31)), "/songs/8.wav"}


def test_a_link_whose_server_failed_is_asked_for_again_after_an_hour(
    corpus, forty, server, tmp_path
):
    (reason,) = corpora.exclusions(corpus).loc[["00007"], "exclude"]
    (path,) = (tmp_path / "data").rglob("*.passing")
    assert reason.endswith(f"Asked for again after 1 h, or once {path.name} is deleted.")
    del server.asked[:], server.faults["/songs/5.mp3"]
    path.unlink()
    again = corpora.load("list", tmp_path / "data", source=forty[0], pause_s=0.0)
    assert "00007.000" in again.usable.index
    assert [where for where, _ in server.asked] == ["/songs/5.mp3"]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("http://[bad/x.mp3", "is no address"),
        ("http://h:abc/x.mp3", "is no address"),
        ("http:///x.mp3", "is no address"),
        ("http://exam..ple/x.mp3", "leads to no address"),
        ("~nosuchuser/x.wav", "x.wav can't be read (Could not determine home directory"),
        ("n" * 300 + ".wav", "can't be read (File name too long)"),
        ("/absent/of me/x.wav", "line 3: x.wav is no file"),
    ],
)
def test_one_odd_line_does_not_end_the_list(server, tmp_path, waits, place, said):
    rows = []
    for number in range(4):
        server.files[f"/{number}.wav"] = song(f"song {number}", sr=8000)
        rows.append([f"HTTP{server.url[4:]}/{number}.wav", GENRES[number % 2], f"a {number}", ""])
    rows.insert(1, [place, "rock", "odd", "odd"])
    path = write_list(tmp_path / "odd.csv", rows)
    corpus = corpora.load("list", tmp_path / "data", source=path, pause_s=0.0)
    assert len(corpus.usable) == 4
    assert said in corpora.exclusions(corpus).loc["00003", "exclude"]


def test_a_page_in_the_place_of_a_song_is_not_kept(corpus, forty, server, tmp_path):
    """A hotel's login, say: the song comes when it is asked for again."""
    server.files["/songs/8.wav"] = song("song 8", sr=8000)
    for path in (tmp_path / "data").rglob("*.failed"):
        path.unlink()
    again = corpora.load("list", tmp_path / "data", source=forty[0], pause_s=0.0)
    assert "00010.000" in again.usable.index


def test_a_good_line_is_not_lost_to_a_bad_one(tmp_path):
    path = write_list(
        tmp_path / "l.csv",
        [["a.wav", "", "A", ""], ["a.wav", "rock", "A", ""], ["a.wav", "rock", "A", ""]],
    )
    found = listed.read_list(path)["trouble"]
    assert found.tolist() == ["no genre", "", "the same as line 3"]


def test_a_cut_link_goes_on(corpus, server):
    ranges = [asked for where, asked in server.asked if where == "/songs/12.wav"]
    assert len(ranges) == 3
    assert ranges[:2] == ["", ""]
    assert ranges[2].startswith("bytes=")
    assert "00014.000" in corpus.usable.index


def test_links_of_one_host_are_asked_one_after_the_other_with_a_pause(server, tmp_path):
    for number in range(4):
        server.files[f"/{number}.wav"] = song(f"s{number}", seconds=0.1)
    urls = [f"{server.url}/{number}.wav" for number in range(4)]
    found = links.fetch_all([*urls, urls[0]], tmp_path, pause_s=0.15)
    assert [found[url].read_bytes() for url in urls] == [
        server.files[f"/{n}.wav"] for n in range(4)
    ]
    gaps = np.diff(server.times)
    assert len(gaps) == 3
    assert (gaps >= 0.15).all()


def test_other_hosts_need_not_wait(server, tmp_path, waits):
    with serving({"/a.wav": b"a"}) as other:
        server.files["/a.wav"] = b"b"
        links.fetch_all([f"{server.url}/a.wav", f"{other.url}/a.wav"], tmp_path, pause_s=9.0)
    assert set(waits) == {0.0}


def test_a_server_that_asks_for_patience_gets_it(server, tmp_path, waits, monkeypatch):
    server.files["/a.wav"] = b"a"
    server.faults["/a.wav"] = [{"status": 429, "retry_after": 7}, {"status": 503}]
    assert isinstance(links.fetch_all([f"{server.url}/a.wav"], tmp_path, pause_s=0.0), dict)
    assert waits[1:] == [7.0, 2.0]


def test_what_never_ends_is_no_song(server, tmp_path, waits, monkeypatch):
    monkeypatch.setattr(links, "MOST_BYTES", 5000)
    server.files["/radio"] = bytes(20_000)
    (reason,) = links.fetch_all([f"{server.url}/radio"], tmp_path, pause_s=0.0).values()
    assert "larger than 0.005 MB" in reason


def test_an_interrupted_run_keeps_what_it_has(forty, server, tmp_path, monkeypatch):
    original, calls = links._fetch, []

    def dying(url, path):
        if len(calls) == 15:
            raise KeyboardInterrupt
        calls.append(url)
        return original(url, path)

    monkeypatch.setattr(links, "_fetch", dying)
    with pytest.raises(KeyboardInterrupt):
        corpora.load("list", tmp_path / "data", source=forty[0], pause_s=0.0)
    monkeypatch.setattr(links, "_fetch", original)
    before = {where for where, _ in server.asked}
    del server.asked[:]
    corpora.load("list", tmp_path / "data", source=forty[0], pause_s=0.0)
    assert not before & {where for where, _ in server.asked}


# -- lists -----------------------------------------------------------------------------------------


def local_list(folder, rows=()):
    for genre in GENRES:
        for number in range(2):
            (folder / f"{genre}{number}.wav").write_bytes(song(f"{genre}{number}"))
    own = [[f"{g}{n}.wav", g, f"{g} {n}", ""] for g in GENRES for n in range(2)]
    return write_list(folder / "list.csv", [*own, *rows])


def test_paths_are_relative_to_the_list(tmp_path, monkeypatch):
    source = local_list(tmp_path)
    corpus = corpora.load("list", tmp_path / "data", source=source)
    assert len(corpus.usable) == 6
    assert corpora.exclusions(corpus).empty
    monkeypatch.chdir(tmp_path)
    again = corpora.load("list", tmp_path / "data", source="list.csv")
    assert again.fingerprint == corpus.fingerprint


def test_a_song_that_changed_is_cut_again(tmp_path):
    source = local_list(tmp_path)
    first = corpora.load("list", tmp_path / "data", source=source)
    (tmp_path / "blues0.wav").write_bytes(song("another"))
    second = corpora.load("list", tmp_path / "data", source=source)
    changed = first.tracks["md5"] != second.tracks["md5"]
    assert list(changed.index[changed]) == ["00002.000"]


def test_a_deleted_or_cut_segment_is_made_again(tmp_path):
    source = local_list(tmp_path)
    first = corpora.load("list", tmp_path / "data", source=source)
    paths = [Path(path) for path in first.tracks["path"]]
    paths[0].unlink()
    paths[1].write_bytes(paths[1].read_bytes()[:100])
    again = corpora.load("list", tmp_path / "data", source=source)
    assert again.fingerprint == first.fingerprint
    assert all(soundfile.info(path).frames for path in paths)


def test_unknown_artists_are_noted_and_stay_with_their_song(tmp_path):
    source = local_list(tmp_path, [["rock0.wav2", "rock", "", ""], ["extra.wav", "rock", "", "x"]])
    (tmp_path / "extra.wav").write_bytes(song("extra", seconds=61))
    corpus = corpora.load("list", tmp_path / "data", source=source)
    mine = corpus.usable[corpus.usable.index.str.startswith("00009")]
    assert len(mine) == 2
    assert set(mine["group"]) == {"(unknown) line 9"}
    assert any(note.startswith("1 songs have no artist") for note in corpus.notes)


def test_lines_are_those_of_the_file(tmp_path):
    path = tmp_path / "l.csv"
    path.write_bytes(
        b"\xef\xbb\xbftitle,genre,url_or_path,artist\r\n\r\n"
        b'"two\nlines",rock,a.wav,A\r\n'
        b"too,few\r\n"
        b",,,\r\n"
        b"t,rock,,A\r\n"
    )
    table = listed.read_list(path)
    assert table["trouble"].to_dict() == {
        4: "",
        5: "2 cells instead of 4",
        7: "no link and no path",
    }
    assert table.loc[4, "title"] == "two\nlines"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"has the columns \[\]; needed are url_or_path, genre, artist, title"),
        (b"url,genre\n", r"has the columns \['url', 'genre'\]"),
        (b"url_or_path,genre,artist,title,more\n", "has the columns"),
        (b"\xff\xfe", "CSV in UTF-8"),
    ],
)
def test_what_is_no_list_is_an_error(tmp_path, content, said):
    path = tmp_path / "l.csv"
    path.write_bytes(content)
    with pytest.raises(GenrelibError, match=said):
        corpora.load("list", tmp_path / "data", source=path)


def test_a_list_of_nothing_is_an_error(tmp_path):
    path = tmp_path / "l.csv"
    path.write_text(HEADER)
    with pytest.raises(GenrelibError, match="lists no song below its header"):
        corpora.load("list", tmp_path / "data", source=path)
    path.write_text(HEADER + "absent.wav,rock,A,T\n")
    with pytest.raises(GenrelibError, match=r"line 2: absent\.wav is no file"):
        corpora.load("list", tmp_path / "data", source=path)


@pytest.mark.parametrize("source", [None, " ", "nowhere.csv"])
def test_a_list_is_needed(tmp_path, source):
    with pytest.raises(GenrelibError, match=r"url_or_path, genre, artist, title"):
        corpora.load("list", tmp_path, source=source)


@pytest.mark.parametrize("pause_s", [-1, 4000, float("nan")])
def test_a_pause_out_of_range_is_an_error(tmp_path, pause_s):
    with pytest.raises(GenrelibError, match="0 to 3600 seconds"):
        corpora.load("list", tmp_path, source=local_list(tmp_path), pause_s=pause_s)


def test_without_room_nothing_is_cut(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    source = local_list(tmp_path)
    monkeypatch.setattr("genrelib.base.files.shutil.disk_usage", lambda _: usage)
    with pytest.raises(GenrelibError, match="segments of the list need"):
        corpora.load("list", tmp_path / "data", source=source)


def test_one_bad_line_is_one_row(tmp_path):
    for name in ("one", "two", "three"):
        (tmp_path / f"{name}.wav").write_bytes(song("x"))
    path = tmp_path / "l.csv"
    lines = ['one.wav,rock,"Weird Al" Yankovic,One', '"two.wav,rock,B,Two', "three.wav,jazz,C,T"]
    path.write_text(HEADER + "\n".join(lines) + "\n")
    table = corpora.load("list", tmp_path / "data", source=path).tracks
    assert table.loc["00002.000", "artist"] == '"Weird Al" Yankovic'
    assert table.loc["00003", "exclude"] == "line 3: a quotation mark is not closed"
    assert table.loc["00004.000", "exclude"] == ""


def test_a_path_is_found_in_another_form(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "s0.wav").write_bytes(song("x"))
    (tmp_path / "sub" / "mu\u0301sica.wav").write_bytes(song("x"))
    path = tmp_path / "l.csv"
    path.write_text(HEADER + "sub\\s0.wav,rock,A,1\nsub/m\u00fasica.wav,jazz,B,2\n", "utf-8")
    table = corpora.load("list", tmp_path / "data", source=path).tracks
    assert (table["exclude"] == "").all()
