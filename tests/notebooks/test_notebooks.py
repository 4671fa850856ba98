"""The notebooks: their structure and their checked outputs."""

import ast
import re
from pathlib import Path

import nbformat
import pytest
import yaml
from helpers.builders import ROOT, copied_project

from genrelib.base.errors import GenrelibError
from genrelib.base.files import Workspace
from genrelib.study.parameters import parameters_of

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


def test_the_notebooks_are_there():
    stems = [path.stem for path in PATHS]
    assert stems == [
        "00_start",
        "01_data",
        "02_features",
        "03_baselines",
        "04_cnn",
        "05_cnn_lstm",
        "06_resnet",
        "07_transformer",
        "08_robustness",
        "09_analysis",
        "10_your_music",
    ]


@notebooks
def test_it_opens_with_its_title_question_and_what_it_reads_and_writes(path):
    first = read(path).cells[0].source
    assert first.startswith(f"# {path.stem[:2]} · ")
    assert re.search(r"\*\*.+\?\*\*", first)
    assert "*Reads*" in first
    assert "*Writes*" in first


@notebooks
def test_it_leads_to_its_executed_copies(path):
    first = read(path).cells[0].source
    copies = {copy for copy in (ROOT / "reports").glob(f"*/notebooks/{path.name}")}
    led = re.findall(r"\((\.\./reports/\S+?)\)", first.partition("\n\n*Executed*")[2])
    assert {(path.parent / link).resolve() for link in led} == copies != set()


@notebooks
def test_it_has_an_exercise_with_a_folded_answer_and_says_what_to_remember(path):
    prose = "\n\n".join(c.source for c in read(path).cells if c.cell_type == "markdown")
    tried = re.search(r"## (?:Try it|To try)\n\n(.+?)(?=\n\n## |\Z)", prose, re.DOTALL)[1]
    assert re.search(r"<details><summary>.+</summary>\n\n.+\n\n</details>", tried, re.DOTALL)
    remembered = re.search(r"## What to remember\n\n(.+?)\n\n## Self-check", prose, re.DOTALL)[1]
    assert [line[:2] for line in remembered.splitlines()] == ["* "] * 3


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


def shared(parts_of) -> dict[str, list[str]]:
    """Return what two notebooks hold, with the names of those that do."""
    holders = {}
    for path in PATHS:
        for part in set(parts_of(read(path))):
            holders.setdefault(part, []).append(path.stem)
    return {part: stems for part, stems in holders.items() if len(stems) > 1}


def test_no_two_notebooks_share_a_paragraph():
    def paragraphs(notebook):
        prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
        parts = [part.strip() for source in prose for part in source.split("\n\n")]
        return [part for part in parts if not part.startswith("#") and part[-1:] in ".:?!*"]

    assert not shared(paragraphs)


def test_no_two_notebooks_share_a_code_cell_of_three_lines():
    def cells(notebook):
        return [
            cell.source
            for cell in notebook.cells
            if cell.cell_type == "code" and len(code_lines(cell)) > 2 and not is_parameters(cell)
        ]

    assert not shared(cells)


def is_parameters(cell) -> bool:
    return "parameters" in cell.metadata.get("tags", [])


def code_lines(cell) -> list[str]:
    lines = [line.strip() for line in cell.source.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize(
    ("stem", "most"),
    [
        ("03_baselines", 30),
        ("04_cnn", 30),
        ("05_cnn_lstm", 30),
        ("06_resnet", 45),
        ("07_transformer", 30),
    ],
)
def test_a_systems_notebook_is_short(stem, most):
    cells = read(ROOT / "notebooks" / f"{stem}.ipynb").cells
    code = [cell for cell in cells if cell.cell_type == "code" and not is_parameters(cell)]
    assert sum(len(code_lines(cell)) for cell in code) <= most


@notebooks
def test_the_study_carries_workspace_and_settings(path):
    code = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "code")
    assert code.count("Study.of(globals())") == 1
    assert not re.search(r"\bworkspace\b|\bn_folds=n_folds, n_repeats=", code)


@notebooks
def test_each_step_has_its_reason_before_it(path):
    cells = read(path).cells
    kinds = "".join("m" if cell.cell_type == "markdown" else "c" for cell in cells)
    assert "ccc" not in kinds
    assert 10 <= len(cells) <= 42


@notebooks
def test_no_percentage_is_typed_by_hand(path):
    """Numbers in prose come from tables; 95 % names the intervals."""
    prose = " ".join(c.source for c in read(path).cells if c.cell_type == "markdown")
    assert set(re.findall(r"(\d+(?:\.\d+)?) ?%", prose)) <= {"95"}


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
    parameters = parameters_of(Workspace(name, ROOT))
    assert parameters["title"]


def test_a_misspelt_parameter_in_a_study_fails(tmp_path):
    path = copied_project(tmp_path) / "studies" / "smoke.yaml"
    path.write_text(path.read_text().replace("n_folds", "n_flods"))
    with pytest.raises(GenrelibError, match="n_flods"):
        parameters_of(Workspace("smoke", tmp_path))
