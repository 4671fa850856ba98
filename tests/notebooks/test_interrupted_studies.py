"""Small studies: killed while the command runs, and on music of one's own."""

import re
import shutil
import subprocess
import sys
import time

import pytest
from helpers.builders import results, run, small_project, write_music
from helpers.notebooks import run_here

from genrelib.base.errors import GenrelibError
from genrelib.study import runner


def test_a_study_killed_during_a_fit_goes_on_to_the_same_bytes(tmp_path):
    undisturbed, root = (small_project(tmp_path / name) for name in ("undisturbed", "killed"))
    only = ["--only", "01,03"]
    run(undisturbed, "small", *only)
    command = [sys.executable, "-m", "genrelib", "run", "small", *only]
    process = subprocess.Popen(
        command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    predictions = root / "reports" / "small" / "predictions"
    while len(list(predictions.rglob("repeat*.json"))) < 5:
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert not (root / "reports" / "small" / "index.html").exists()
    run(root, "small", *only)
    assert results(root, "small") == results(undisturbed, "small")


def test_a_folder_of_ones_own_with_odd_names_and_a_broken_file(tmp_path):
    own = {"corpus": "folder", "corpus_options": {"source": "data/mine"}, "clip_s": 1.0}
    root = small_project(tmp_path, **own)
    genres = ("1980", "None", "_pop, été", "=1+1 $x_1$ <img src=x onerror=alert(1)>")
    music = write_music(root / "data" / "mine", n_artists=3, genres=genres)
    (music / "1980" / "1980 artist 0" / "007.wav").write_text("not audio")
    run_here(root, "small")
    found = results(root, "small")
    assert b"007,1980," in found["tables/02_exclusions.csv"]
    assert found["tables/02_counts.csv"].splitlines()[-1].startswith(b"(all),25,1,24,12,12")
    assert found["tables/09_scores.csv"].count(b"\n") == 1 + 2 * 2
    assert not (root / "reports" / "small" / "audio").exists()
    for page in (root / "reports" / "small").rglob("*.html"):
        text = page.read_text("utf-8")
        assert "<img src=x" not in text, page
        assert "onerror=alert" not in re.sub(r"&lt;img src=x onerror=alert\(1\)(&gt;|>)", "", text)
    assert b"'=1+1 $x_1$ <img" in found["tables/02_counts.csv"]
    shutil.rmtree(root / "data")
    run_here(root, "small", runner.publish, analyse=True)
    assert results(root, "small") == found
    shutil.rmtree(next((root / "reports" / "small" / "predictions").iterdir()))
    with pytest.raises(GenrelibError):
        run_here(root, "small", runner.publish, analyse=True)
    assert results(root, "small")["tables/09_scores.csv"] == found["tables/09_scores.csv"]
