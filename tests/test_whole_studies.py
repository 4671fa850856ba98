"""Whole studies by the command that people use: undisturbed, again, killed, and on own music."""

import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
import yaml
from conftest import ROOT, copied_project, write_music

from genrelib.systems import chosen

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def run(root: Path, name: str, *arguments: str) -> None:
    """Run a study by the command that people use."""
    command = [sys.executable, "-m", "genrelib.study", name, *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def results(root: Path, name: str) -> dict[str, bytes]:
    """Return the bytes of all tables, figures and executed notebooks, and of the page."""
    report = root / "reports" / name
    paths = [*report.glob("[tfn]*s/*"), *report.glob("predictions/**/*.csv"), report / "index.html"]
    return {str(path.relative_to(report)): path.read_bytes() for path in sorted(paths)}


@pytest.fixture(scope="module")
def smoke(tmp_path_factory) -> Path:
    """Return a project in which the smoke study has run undisturbed."""
    root = copied_project(tmp_path_factory.mktemp("project"))
    run(root, "smoke")
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


def small_project(folder: Path, **own) -> Path:
    """Return a project with a study of two systems, which takes some seconds."""
    root = copied_project(folder)
    smoke = yaml.safe_load((ROOT / "studies" / "smoke.yaml").read_text())
    text = yaml.safe_dump({**smoke, "systems": ["mel_svm", "nn"], "probed": [], **own})
    (root / "studies" / "small.yaml").write_text(text)
    return root


def test_a_study_killed_during_a_fit_goes_on_to_the_same_bytes(tmp_path):
    undisturbed, root = (small_project(tmp_path / name) for name in ("undisturbed", "killed"))
    run(undisturbed, "small")
    command = [sys.executable, "-m", "genrelib.study", "small"]
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
    run(root, "small")
    assert results(root, "small") == results(undisturbed, "small")


def test_a_second_run_fits_nothing_and_changes_no_byte(smoke):
    before, fitted = results(smoke, "smoke"), smoke / "reports" / "smoke" / "predictions"
    times = {path: path.stat().st_mtime_ns for path in fitted.rglob("*")}
    run(smoke, "smoke")
    assert results(smoke, "smoke") == before
    assert {path: path.stat().st_mtime_ns for path in fitted.rglob("*")} == times


def test_a_folder_of_ones_own_with_odd_names_and_a_broken_file(tmp_path):
    root = copied_project(tmp_path)
    genres = ("1980", "None", "_pop, été")
    music = write_music(root / "data" / "mine", n_artists=3, genres=genres)
    (music / "1980" / "1980 artist 0" / "007.wav").write_text("not audio")
    parameters = yaml.safe_load((ROOT / "studies" / "smoke.yaml").read_text())
    own = {"corpus": "folder", "corpus_options": {"source": "data/mine"}, "clip_s": 1.0}
    text = yaml.safe_dump({**parameters, **own, "systems": ["mel_svm", "nn"], "probed": []})
    (root / "studies" / "mine.yaml").write_text(text)
    run(root, "mine")
    found = results(root, "mine")
    assert b"007,1980," in found["tables/02_exclusions.csv"]
    assert found["tables/02_counts.csv"].splitlines()[-1].startswith(b"(all),19,1,18,9,9")
    assert found["tables/09_scores.csv"].count(b"\n") == 1 + 2 * 2
    assert not (root / "reports" / "mine" / "audio").exists()
