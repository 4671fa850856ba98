"""Songs: one command, a table, pages; formats that agree, and files that can't be read."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import soundfile
from helpers.builders import ROOT, copied_project

import genrelib.__main__ as command
from genrelib.base.errors import GenrelibError
from genrelib.base.seeds import rng
from genrelib.features import audio
from genrelib.features.compiled import librosa
from genrelib.prediction import models, pages, songs
from genrelib.prediction.panel import panel

SECONDS = 4


def genrelib(root, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "genrelib", *map(str, arguments)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Return a project with a model of the smoke study, trained by the command that people use."""
    root = copied_project(tmp_path_factory.mktemp("project"))
    done = genrelib(root, "train", "--study", "smoke", "--to", "smoke.genremodel", "--n-jobs", 1)
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"best_statistics on all \d+ tracks of smoke; accuracy .+ % \(95 % interval", done.stdout
    )
    return root


@pytest.fixture(scope="module")
def model(project):
    return models.read(project / "smoke.genremodel")


def track_of(project, genre):
    return sorted((project / "data" / "raw").glob(f"synthetic-*/{genre}/*.wav"))[1]


@pytest.fixture(scope="module")
def answered(project):
    """Predict a folder of odd names and files by the command; return the folder and its table."""
    folder = project / "music"
    (folder / "deeper").mkdir(parents=True)
    y = audio.read(track_of(project, "metal"))
    for name in ("=1+1.wav", "deeper/<b>&amp; 'quoted'.flac"):
        soundfile.write(folder / name, y, audio.SR)
    (folder / "text.mp3").write_text("no audio")
    (folder / "song.m4a").write_bytes(b"....ftypM4A ")
    (folder / "empty.ogg").touch()
    noise = 0.1 * rng(0, "noise").standard_normal(30 * audio.SR)
    soundfile.write(folder / "noise.wav", noise, audio.SR)
    done = genrelib(
        project, "predict", "music", "--model", "smoke.genremodel", "--to", "out", "--n-jobs", 1
    )
    assert done.returncode == 0, done.stderr
    assert "100%" in done.stderr  # the bar
    assert "music/noise.wav: I don't know" in done.stdout
    assert "6 files: 2 answered, 1 “I don't know”, 3 not read." in done.stdout
    assert "not on real songs" in done.stdout
    return project / "out", pd.read_csv(project / "out" / songs.TABLE, keep_default_na=False)


def test_the_table_has_a_row_for_every_file(answered, model):
    _, table = answered
    assert list(table) == [
        "path",
        "genre",
        *(f"p_{g}" for g in model.genres),
        "confidence",
        "verdict",
    ]
    assert len(table) == 6
    rows = {path.rpartition("/")[2]: row for path, row in table.set_index("path").iterrows()}
    assert rows["noise.wav"]["genre"] == ""
    assert rows["noise.wav"]["verdict"] == "I don't know: unlike the music I was trained on"
    assert rows["=1+1.wav"]["genre"] == "metal"
    assert rows["=1+1.wav"]["verdict"] == "answered"
    chances = rows["=1+1.wav"][[f"p_{g}" for g in model.genres]].astype(float)
    assert chances.sum() == pytest.approx(1, abs=1e-3)
    assert chances.max() == pytest.approx(float(rows["=1+1.wav"]["confidence"]))
    for name, reason in {
        "text.mp3": "can't be decoded as audio",
        "song.m4a": "ffmpeg -i song.m4a song.flac",
        "empty.ogg": "is empty (0 bytes)",
    }.items():
        assert rows[name]["verdict"].startswith("not read: ")
        assert reason in rows[name]["verdict"]
        assert rows[name]["confidence"] == ""


class Page(HTMLParser):
    """Collects the tags of a page and what they refer to."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.open = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [v for k, v in attributes if k in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_pages_stand_alone_and_show_names_as_text(answered):
    out, _ = answered
    overview = Page((out / songs.OVERVIEW).read_text())
    linked = [a for a in overview.addresses if a.startswith(pages.FOLDER)]
    assert len(linked) == 3
    assert sorted(p.name for p in (out / pages.FOLDER).iterdir()) == sorted(
        a.rpartition("/")[2] for a in linked
    )
    for path in [out / songs.OVERVIEW, *(out / address for address in linked)]:
        text = path.read_text()
        page = Page(text)
        assert "script" not in page.tags
        assert "<b>&amp;" not in text
        assert not any(re.match(r"\w*:?//", address) for address in page.addresses)
        assert "prefers-color-scheme: dark" in text
        assert 'name="viewport"' in text
    (odd,) = [a for a in linked if "quoted" in a]
    assert "&lt;b&gt;&amp;amp; &#39;quoted&#39;.flac" in (out / odd).read_text()


def test_a_page_says_what_when_why_and_near_what(answered, model):
    out, _ = answered
    (path,) = [p for p in (out / pages.FOLDER).iterdir() if "1-1" in p.name]
    text = path.read_text()
    assert re.search(r'<p class="answer">metal, \d+ %</p>', text)
    assert "data:image/png;base64," in text
    assert text.count("<rect") == pages.TOP  # one clip
    assert "each at its average level" in text
    assert text.count(" Hz</span>") == 8
    assert text.count("<li>") == 5
    titles = set(model.known.tracks["title"])
    assert sum(title in text for title in titles) >= 3
    (noise,) = [p for p in (out / pages.FOLDER).iterdir() if "noise" in p.name]
    assert "I don't know." in noise.read_text()
    assert noise.read_text().count("<rect") == pages.TOP * (30 // SECONDS)


@pytest.mark.parametrize("genre", ["metal", "classical", "disco"])
def test_formats_and_rates_agree(genre, project, model, tmp_path):
    """44.1 kHz stereo MP3, 48 kHz FLAC and 22.05 kHz WAV of one recording."""
    y = audio.read(track_of(project, genre))
    high = librosa.resample(y=y, orig_sr=audio.SR, target_sr=44100, res_type="soxr_vhq")
    soundfile.write(tmp_path / "a.mp3", np.column_stack([high, high]), 44100, compression_level=0.0)
    higher = librosa.resample(y=y, orig_sr=audio.SR, target_sr=48000, res_type="soxr_vhq")
    soundfile.write(tmp_path / "a.flac", higher, 48000, subtype="PCM_24")
    soundfile.write(tmp_path / "a.wav", y, audio.SR)
    heard = [songs.listen(model, tmp_path / f"a.{kind}") for kind in ("wav", "flac", "mp3")]
    assert {song.probabilities.index[0] for song in heard} == {genre}
    chances = np.array([song.chances.mean(axis=0) for song in heard])
    assert np.ptp(chances, axis=0).max() <= 0.02


def test_an_answer_is_the_mean_of_the_clips_and_novelty_their_median(project, model, tmp_path):
    metal, jazz = (audio.read(track_of(project, genre)) for genre in ("metal", "jazz"))
    soundfile.write(tmp_path / "a.wav", np.concatenate([metal, jazz, metal]), audio.SR)
    song = songs.listen(model, tmp_path / "a.wav")
    assert song.chances.shape == (3, len(model.genres))
    assert [model.genres[i] for i in song.chances.argmax(axis=1)] == ["metal", "jazz", "metal"]
    assert song.probabilities["jazz"] == pytest.approx(
        song.chances.mean(axis=0)[model.genres.index("jazz")]
    )
    assert song.novelty == pytest.approx(np.median(song.novelties) / song.threshold)
    assert song.picture.shape[0] == 64
    assert song.picture.shape[1] <= 1200
    assert song.reasons["loss"].abs().max() > 0.005


@pytest.mark.parametrize("kind", ["silence", "sine", "noise"])
def test_what_is_no_music_is_not_known(kind, model, tmp_path):
    time = np.arange(8 * audio.SR) / audio.SR
    y = {
        "silence": np.zeros(len(time)),
        "sine": 0.3 * np.sin(2 * np.pi * 440 * time),
        "noise": 0.1 * rng(1, "noise").standard_normal(len(time)),
    }[kind]
    soundfile.write(tmp_path / "a.wav", y, audio.SR)
    song = songs.listen(model, tmp_path / "a.wav", is_explained=False)
    assert song.verdict.startswith(songs.UNKNOWN)
    assert song.row(model.genres)["genre"] == ""


def test_a_short_file_is_called_short(project, model, tmp_path):
    y = audio.read(track_of(project, "rock"), duration_s=0.5)
    soundfile.write(tmp_path / "a.wav", y, audio.SR)
    song = songs.listen(model, tmp_path / "a.wav", is_explained=False)
    assert song.verdict.endswith("(it lasts 0.5 s, less than the 4 s of a training clip)")


def test_pages_of_a_model_of_rendered_music_say_so(answered, model):
    out, _ = answered
    for page in (out / songs.OVERVIEW, *(out / pages.FOLDER).iterdir()):
        assert "not on real songs" in page.read_text()
    real = replace(model, header={**model.header, "corpus": {"is_rendered": False}})
    assert real.caution == ""


def test_clips_are_asked_together_as_one_by_one(monkeypatch, project, model, tmp_path):
    y = audio.read(track_of(project, "rock"))
    soundfile.write(tmp_path / "a.wav", np.tile(y, 5), audio.SR)
    heard = []
    for number in (1, 2, 8):
        monkeypatch.setattr(songs, "AT_ONCE", number)
        heard.append(songs.listen(model, tmp_path / "a.wav"))
    for song in heard:
        np.testing.assert_allclose(song.chances, heard[0].chances, atol=1e-6)
        np.testing.assert_allclose(song.novelties, heard[0].novelties, rtol=1e-5)
        assert song.reasons_at == heard[0].reasons_at


def test_files_of_others_in_the_folder_are_kept(project, tmp_path):
    inside = tmp_path / pages.FOLDER
    inside.mkdir()
    for name in ("01-notes.html", "0000-old.html"):
        (inside / name).touch()
    songs.predict([track_of(project, "rock")], project / "smoke.genremodel", tmp_path, n_jobs=1)
    left = {path.name for path in inside.iterdir()}
    assert "01-notes.html" in left
    assert "0000-old.html" not in left
    (tmp_path / songs.TABLE).unlink()  # what is left might be anybody's page
    with pytest.raises(GenrelibError, match="somebody else's"):
        songs.predict([track_of(project, "rock")], project / "smoke.genremodel", tmp_path)


def test_a_folder_that_cant_be_written_to_is_refused_before_anything_is_heard(project, tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(GenrelibError, match=r"can't be written to .*--to"):
        songs.predict([track_of(project, "rock")], project / "smoke.genremodel", tmp_path / "a")


def test_an_interruption_is_no_traceback(monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(command.songs, "predict", interrupted)
    assert command.main(["predict", "a.wav", "--model", "b"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_many_songs_are_not_asked_for_reasons(monkeypatch, project, tmp_path):
    monkeypatch.setattr(songs, "MOST_EXPLAINED", 0)
    table, _ = songs.predict(
        [track_of(project, "rock")], project / "smoke.genremodel", tmp_path, n_jobs=1
    )
    (page,) = (tmp_path / pages.FOLDER).iterdir()
    assert "Give this song alone" in page.read_text()
    assert table["verdict"].tolist() == ["answered"]


def test_what_cant_be_done_is_said_in_a_sentence(project, monkeypatch, capsys):
    monkeypatch.chdir(project)
    (project / "nothing").mkdir()
    (project / "text.mp3").write_text("no audio")
    (project / "foreign.genremodel").write_bytes(b"something")
    cases = {
        ("predict", "nothing", "--model", "smoke.genremodel"): "nothing holds no audio",
        ("predict", "text.mp3", "--model", "smoke.genremodel"): "no file could be read",
        ("predict", "text.mp3", "--model", "foreign.genremodel"): "is not a model of genrelib",
        ("train", "--study", "smoke", "--system", "mel_svn"): "unknown system 'mel_svn'",
        ("train", "--study", "smoke", "--system", "fma_svm"): "comes with a feature pack only",
    }
    for arguments, said in cases.items():
        assert command.main(list(arguments)) == 1
        assert said in capsys.readouterr().err


def test_without_a_model_the_default_one_is_trained_once(project, monkeypatch, capsys):
    """The rendered demo takes a minute; here the smoke study stands in for it."""
    monkeypatch.chdir(project)
    monkeypatch.setattr(command, "MODEL", ("smoke", "mel_svm"))
    said = []
    for _ in range(2):
        assert command.main(["predict", str(track_of(project, "pop")), "--n-jobs", "1"]) == 0
        printed = capsys.readouterr()
        said.append("No model yet" in printed.err)
        assert "data/predictions/index.html" in printed.out
    assert said == [True, False]
    assert (project / "data" / "models" / "smoke" / "mel_svm.genremodel").is_file()


def test_the_panel_shows_the_page_of_a_file_that_is_dropped(project, model):
    button, below = panel(model).children
    file = {"type": "", "size": 1, "last_modified": datetime.now(tz=UTC)}
    content = track_of(project, "metal").read_bytes()
    button.value = ({**file, "name": "<b>.wav", "content": memoryview(content)},)
    assert below.value.startswith("<iframe srcdoc=")
    assert "metal, " in below.value
    assert "&amp;lt;b&amp;gt;.wav" in below.value  # escaped in the page, and the page in the frame
    button.value = ({**file, "name": "<i>.mp3", "content": memoryview(b"no audio")},)
    assert below.value.startswith("not read: &lt;i&gt;.mp3 can&#x27;t be decoded")
