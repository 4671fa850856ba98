"""The notebooks: their structure, their checked outputs, and a whole study of the smallest size."""

import ast
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
import yaml
from conftest import write_music

from genrelib import study
from genrelib.errors import GenrelibError
from genrelib.files import Workspace

ROOT = Path(__file__).parents[1]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CHECKED = {"keep_output", "nbval-check-output"}
FORBIDDEN = re.compile(
    r"^\s*(def |class |try:|!|%)|sys\.path|os\.environ|/(home|Users|root|tmp|work)/", re.MULTILINE
)

notebooks = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def read(path: Path):
    return nbformat.read(path, as_version=4)


def tagged(notebook, tag: str) -> list:
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def copied_project(folder: Path) -> Path:
    for name in ("notebooks", "studies"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(".*"))
    return folder


def nbval(*paths: Path, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-q", "-p"]
    command += ["no:cacheprovider", "-c", os.devnull, "--rootdir", str(cwd), *map(str, paths)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_the_notebooks_are_there():
    stems = [path.stem for path in PATHS]
    assert stems == ["01_data", "02_features", "03_baselines", "04_cnn", "09_analysis"]


@notebooks
def test_it_opens_with_its_title_question_and_what_it_reads_and_writes(path):
    first = read(path).cells[0].source
    assert first.startswith(f"# {path.stem[:2]} · ")
    assert re.search(r"\*\*.+\?\*\*", first)
    assert "*Reads*" in first
    assert "*Writes*" in first


@notebooks
def test_parameters_are_literals_with_the_values_of_the_smoke_study(path):
    (cell,) = tagged(read(path), "parameters")
    smoke = yaml.safe_load((ROOT / "studies" / "smoke.yaml").read_text())
    for line in ast.parse(cell.source).body:
        assert isinstance(line, ast.Assign)
        assert line.lineno == line.end_lineno
        name, value = line.targets[0].id, ast.literal_eval(line.value)
        assert value == {**smoke, "study": "smoke", "n_jobs": -1}[name], name


@notebooks
def test_it_calls_the_module_and_defines_nothing(path):
    for cell in read(path).cells:
        if cell.cell_type == "code":
            assert not FORBIDDEN.search(cell.source), cell.source
            assert "lambda" not in cell.source


@notebooks
def test_each_step_has_its_reason_before_it(path):
    cells = read(path).cells
    kinds = "".join("m" if cell.cell_type == "markdown" else "c" for cell in cells)
    assert "ccc" not in kinds
    assert 10 <= len(cells) <= 35


@notebooks
def test_no_percentage_is_typed_by_hand(path):
    """Numbers in prose come from tables; 95 % names the intervals, 59 % is a source's claim."""
    prose = " ".join(c.source for c in read(path).cells if c.cell_type == "markdown")
    assert set(re.findall(r"(\d+(?:\.\d+)?) ?%", prose)) <= {"95", "59"}


@notebooks
def test_only_the_last_cell_keeps_its_output(path):
    notebook = read(path)
    (cell,) = tagged(notebook, "keep_output")
    assert cell is notebook.cells[-1]
    assert set(cell.metadata["tags"]) >= CHECKED
    (output,) = cell.outputs
    assert 2 <= len(output.text.splitlines()) <= 6
    assert not any(c.get("outputs") for c in notebook.cells[:-1])


@pytest.mark.parametrize("name", [path.stem for path in (ROOT / "studies").glob("*.yaml")])
def test_every_study_names_known_parameters(name):
    parameters = study.load_parameters(Workspace(name, ROOT))
    assert parameters["title"]


def test_a_misspelt_parameter_in_a_study_fails(tmp_path):
    path = copied_project(tmp_path) / "studies" / "smoke.yaml"
    path.write_text(path.read_text().replace("n_folds", "n_flods"))
    with pytest.raises(GenrelibError, match="n_flods"):
        study.load_parameters(Workspace("smoke", tmp_path))


def run(root: Path, name: str) -> None:
    """Run a study by the command that people use."""
    command = [sys.executable, "-m", "genrelib.study", name]
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
    assert len(scores) == 1 + 7 * 2
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
            for cell in read(path).cells
            for out in cell.get("outputs", [])
            if out.get("name") == "stderr"
        ]


def test_a_study_killed_during_a_fit_goes_on_to_the_same_bytes(smoke, tmp_path):
    root = copied_project(tmp_path)
    command = [sys.executable, "-m", "genrelib.study", "smoke"]
    process = subprocess.Popen(
        command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    predictions = root / "reports" / "smoke" / "predictions"
    while len(list(predictions.rglob("repeat*.json"))) < 8:
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert not (root / "reports" / "smoke" / "index.html").exists()
    run(root, "smoke")
    assert results(root, "smoke") == results(smoke, "smoke")


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
    text = yaml.safe_dump({**parameters, **own, "systems": ["mel_svm", "nn"]})
    (root / "studies" / "mine.yaml").write_text(text)
    run(root, "mine")
    found = results(root, "mine")
    assert b"007,1980," in found["tables/02_exclusions.csv"]
    assert found["tables/02_counts.csv"].splitlines()[-1].startswith(b"(all),19,1,18,9,9")
    assert found["tables/09_scores.csv"].count(b"\n") == 1 + 2 * 2
    assert not (root / "reports" / "mine" / "audio").exists()


def test_nbval_accepts_the_stored_outputs(smoke):
    done = nbval(smoke / "notebooks", cwd=smoke)
    assert done.returncode == 0, done.stdout


def test_nbval_refuses_a_wrong_stored_output_in_any_notebook(smoke, tmp_path):
    for path in PATHS:
        notebook = read(path)
        output = notebook.cells[-1].outputs[0]
        number = re.search(r"\d+", output["text"])[0]
        output["text"] = output["text"].replace(number, f"{number}1", 1)
        nbformat.write(notebook, smoke / "notebooks" / f"{path.stem}_wrong.ipynb")
    wrong = sorted((smoke / "notebooks").glob("*_wrong.ipynb"))
    done = nbval(*wrong, cwd=smoke)
    for path in wrong:
        path.unlink()
    assert f"{len(PATHS)} failed" in done.stdout
