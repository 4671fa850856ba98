"""Whole studies by the command that people use: undisturbed, again, killed, and on own music."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from helpers.builders import ROOT, copied_project, run, small_project, write_music
from helpers.page import contradictions, quantities, read, strange_intervals

from genrelib.systems import chosen

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def results(root: Path, name: str) -> dict[str, bytes]:
    """Return the bytes of all tables, figures and executed notebooks, and of the page."""
    report = root / "reports" / name
    paths = [*report.glob("[tfn]*s/*"), *report.glob("predictions/**/*.csv"), report / "index.html"]
    return {str(path.relative_to(report)): path.read_bytes() for path in sorted(paths)}


@pytest.fixture(scope="module")
def smoke(tmp_path_factory) -> Path:
    """Return a project in which the smoke study has run undisturbed."""
    root = copied_project(tmp_path_factory.mktemp("project"))
    run(root, "smoke", "--n-jobs", "1")
    return root


def test_the_smoke_study_makes_the_whole_report(smoke):
    report = smoke / "reports" / "smoke"
    for path in PATHS:
        assert (report / "notebooks" / path.name).exists()
        assert (report / "notebooks" / f"{path.stem}.html").exists()
    scores = (report / "tables" / "09_scores.csv").read_text().splitlines()
    assert len(scores) == 1 + len(chosen("all")) * 2
    claims = (report / "tables" / "09_claims.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in claims[1:]] == chosen("all")
    page = (report / "index.html").read_text()
    for link in re.findall(r'(?:href|src)="([^"#]+)"', page):
        assert (report / link).exists(), link
    assert str(smoke) not in page
    assert "Not up to date" not in page


def test_every_number_that_the_page_shows_twice_is_the_same(smoke):
    report = smoke / "reports" / "smoke"
    tables = read(report)
    assert contradictions(tables) == {}
    shown = [quantity for quantity, _ in quantities(tables)]
    assert len(shown) - len(set(shown)) > 100
    for name in ("index.html", "model_card.md"):
        assert strange_intervals((report / name).read_text(), tables) == set()


def test_executed_notebooks_are_free_of_paths_and_warnings(smoke):
    for path in (smoke / "reports" / "smoke" / "notebooks").glob("*.ipynb"):
        text = path.read_text()
        assert str(smoke) not in text
        assert "site-packages" not in text
        assert not [
            out
            for cell in nbformat.read(path, as_version=4).cells
            for out in cell.get("outputs", [])
            if out.get("name") == "stderr"
        ]


def nbval(*paths: Path, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-q", "-p"]
    command += ["no:cacheprovider", "-c", os.devnull, "--rootdir", str(cwd), *map(str, paths)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_nbval_accepts_the_stored_outputs(smoke):
    """The notebooks as they are, over what the study has rendered and fitted."""
    done = nbval(smoke / "notebooks", cwd=smoke)
    assert done.returncode == 0, done.stdout


def test_nbval_refuses_a_wrong_stored_output(smoke):
    """The first notebook stands for all: each has its output stored, see above."""
    notebook = nbformat.read(PATHS[0], as_version=4)
    output = notebook.cells[-1].outputs[0]
    number = re.search(r"\d+", output["text"])[0]
    output["text"] = output["text"].replace(number, f"{number}1", 1)
    wrong = smoke / "notebooks" / "01_wrong.ipynb"
    nbformat.write(notebook, wrong)
    done = nbval(wrong, cwd=smoke)
    wrong.unlink()
    assert "1 failed" in done.stdout


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


def test_a_second_run_fits_nothing_and_changes_no_byte(smoke):
    before, fitted = results(smoke, "smoke"), smoke / "reports" / "smoke" / "predictions"
    times = {path: path.stat().st_mtime_ns for path in fitted.rglob("*")}
    run(smoke, "smoke", "--n-jobs", "1")
    assert results(smoke, "smoke") == before
    assert {path: path.stat().st_mtime_ns for path in fitted.rglob("*")} == times


def test_a_folder_of_ones_own_with_odd_names_and_a_broken_file(tmp_path):
    own = {"corpus": "folder", "corpus_options": {"source": "data/mine"}, "clip_s": 1.0}
    root = small_project(tmp_path, **own)
    genres = ("1980", "None", "_pop, été")
    music = write_music(root / "data" / "mine", n_artists=3, genres=genres)
    (music / "1980" / "1980 artist 0" / "007.wav").write_text("not audio")
    run(root, "small", "--n-jobs", "1")
    found = results(root, "small")
    assert b"007,1980," in found["tables/02_exclusions.csv"]
    assert found["tables/02_counts.csv"].splitlines()[-1].startswith(b"(all),19,1,18,9,9")
    assert found["tables/09_scores.csv"].count(b"\n") == 1 + 2 * 2
    assert not (root / "reports" / "small" / "audio").exists()
