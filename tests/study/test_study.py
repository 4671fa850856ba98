"""The study runner: names, order, resuming, failing; on two small notebooks of its own."""

import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import pytest
import yaml
from helpers.builders import ROOT
from helpers.notebooks import DECLARED, write_notebook

from genrelib.__main__ import main
from genrelib.base.errors import GenrelibError
from genrelib.study import parameters
from genrelib.study import runner as study

PARAMETERS = """
title: Trial
about: A trial.
corpus: synthetic
systems: [svm]
protocols: [track_random]
times: 3
"""
FIRST = """
from pathlib import Path
tables = Path("reports") / "trial" / "tables"
tables.mkdir(parents=True, exist_ok=True)
(tables / "01_times.csv").write_text(f"{times}")
"""
SECOND = """
import sys
from pathlib import Path
tables = Path("reports") / "trial" / "tables"
times = int((tables / "01_times.csv").read_text())
(tables / "02_double.csv").write_text(f"{2 * times}")
print("doubled")
print("\\r 10 it/s", file=sys.stderr)
"""


def write_project(folder: Path) -> None:
    write_notebook(folder / "notebooks" / "01_first.ipynb", DECLARED + "times = 1", FIRST)
    write_notebook(folder / "notebooks" / "02_second.ipynb", 'study = "smoke"', SECOND)
    (folder / "studies").mkdir()
    (folder / "studies" / "trial.yaml").write_text(PARAMETERS)


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def executed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("executed")
    write_project(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run()
    return folder


@pytest.fixture
def ran(executed, tmp_path, monkeypatch) -> Path:
    """Return a copy of a project in which the study has run."""
    shutil.copytree(executed, tmp_path / "ran")
    monkeypatch.chdir(tmp_path / "ran")
    return tmp_path / "ran"


def run(**changes) -> list[str]:
    said = []
    study.run("trial", say=said.append, **changes)
    return said


def double(project: Path) -> str:
    return (project / "reports" / "trial" / "tables" / "02_double.csv").read_text()


def test_notebooks_run_in_order_with_the_studys_parameters(project):
    said = run()
    assert [line.split()[1] for line in said if "done" in line] == ["01_first:", "02_second:"]
    assert double(project) == "6"
    assert (project / "reports" / "trial" / "index.html").exists()


def test_executed_copies_hold_output_but_no_times_paths_or_progress(executed, ran):
    copy = ran / "reports" / "trial" / "notebooks" / "02_second.ipynb"
    notebook = nbformat.read(copy, as_version=4)
    assert [out.text for out in notebook.cells[-1].outputs] == ["doubled\n"]
    for trace in (str(executed), "start_time"):
        assert trace not in copy.read_text()
    first = copy.read_bytes()
    run(only=["02"])
    assert copy.read_bytes() == first


def test_what_is_up_to_date_is_not_run_again(ran):
    assert any("02_second: up to date" in line for line in run())


def test_a_notebook_runs_again_when_its_output_is_lost(ran):
    (ran / "reports" / "trial" / "tables" / "02_double.csv").unlink()
    assert any("02_second: done" in line for line in run())
    assert double(ran) == "6"


def test_a_notebook_runs_again_when_an_earlier_one_wrote_something_else(ran):
    (ran / "studies" / "trial.yaml").write_text(PARAMETERS.replace("times: 3", "times: 5"))
    run()
    assert double(ran) == "10"


def test_a_notebook_runs_again_when_its_source_changed(ran):
    path = ran / "notebooks" / "02_second.ipynb"
    write_notebook(path, 'study = "smoke"', SECOND.replace("2 * times", "3 * times"))
    run()
    assert double(ran) == "9"


def test_only_runs_what_is_asked_for(project):
    assert all("02_second" not in line for line in run(only=["01"]))
    assert not (project / "reports" / "trial" / "notebooks" / "02_second.ipynb").exists()


def test_a_failing_notebook_names_its_cell_and_keeps_what_ran(project):
    broken = SECOND + "\nprint(1 / 0)"
    write_notebook(project / "notebooks" / "02_second.ipynb", 'study = "smoke"', broken)
    with pytest.raises(GenrelibError, match=r"02_second failed in code cell 3 .*ZeroDivisionError"):
        run()
    kept = (project / "reports" / "trial" / "notebooks" / "02_second.ipynb").read_text()
    assert "doubled" in kept
    assert double(project) == "6"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title: !!python/object/apply:os.system [ls]", "not valid YAML"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", "a stands for what is written elsewhere"),
        ("times: " + "[" * 5000, "not valid YAML"),
        ("title: t\n" + "#" * 100_000, "at most 100000 are read"),
        (PARAMETERS + "times: 4\n", "'times' is given more than once"),
        (PARAMETERS.replace("title: ", "title: 5 #"), "title=5 in studies/trial.yaml; text"),
        (PARAMETERS + "n_flods: 3\n", "n_flods.*times"),
        (PARAMETERS.replace("title: Trial\n", ""), "lacks: title"),
        (PARAMETERS.replace("times: 3\n", ""), "lacks: times"),
        (PARAMETERS + "study: demo\n", "unknown parameter .* 'study'"),
        (PARAMETERS.replace("[svm]", "[smv]"), "unknown system 'smv'; known: .*svm"),
        (PARAMETERS.replace("[svm]", "[]"), "systems is empty"),
        (PARAMETERS.replace("[track_random]", "artist_groupd"), "unknown protocol 'artist_groupd'"),
        (PARAMETERS.replace("synthetic", "gtzzan"), "unknown corpus 'gtzzan'"),
        ("- a list", "holds list"),
        ("a: [", "not valid YAML"),
    ],
)
def test_malformed_studies_are_refused(project, text, message):
    (project / "studies" / "trial.yaml").write_text(text)
    with pytest.raises(GenrelibError, match=message):
        run()
    assert not (project / "reports").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("corpus_options", None),
        ("clip_s", "30 s"),
        ("clip_s", 0),
        ("n_folds", 1),
        ("n_folds", 6),
        ("n_repeats", 1.5),
        ("epoch_share", 2),
        ("image_size", 64),
        ("image_size", [64, 15]),
        ("seed", True),
    ],
)
def test_values_that_cannot_be_are_refused_before_anything_runs(name, value):
    given = yaml.safe_load((ROOT / "studies" / "demo.yaml").read_text())
    parameters.check_values(given)
    with pytest.raises(GenrelibError, match=rf"{name}=.*; allowed is"):
        parameters.check_values({**given, name: value})


def test_a_corpus_is_named_by_a_text():
    given = yaml.safe_load((ROOT / "studies" / "demo.yaml").read_text())
    with pytest.raises(GenrelibError, match="unknown corpus"):
        parameters.check_values({**given, "corpus": {"name": "folder"}})


def test_two_runs_of_a_study_take_turns(project, monkeypatch):
    met, together = threading.Barrier(2), []

    def noted(*_):
        try:
            met.wait(timeout=2)
        except threading.BrokenBarrierError:
            together.append(False)
        else:
            together.append(True)

    monkeypatch.setattr(study, "_run", noted)
    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == [False, False]


def test_unknown_studies_and_notebooks_list_the_known(project):
    with pytest.raises(GenrelibError, match="known: trial"):
        study.run("demo")
    with pytest.raises(GenrelibError, match="known: 01, 02"):
        run(only=["1"])


def test_the_command_line_says_where_the_report_is(project):
    command = [sys.executable, "-m", "genrelib", "run", "trial", "--only", "01"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "reports/trial/index.html" in done.stdout


def test_the_command_line_says_what_is_wrong(project, capsys):
    assert main(["run", "trail"]) == 1
    assert "unknown study 'trail'; known: trial" in capsys.readouterr().err


def page(project: Path) -> str:
    return (project / "reports" / "trial" / "index.html").read_text()


def test_the_page_says_what_only_part_of_a_run_left_outdated(ran):
    assert "Not up to date" not in page(ran)
    (ran / "studies" / "trial.yaml").write_text(PARAMETERS.replace("times: 3", "times: 5"))
    run(only=["01"])
    assert "Not up to date with the parameters below: 02_second" in page(ran)


def test_the_page_says_what_a_failure_left_outdated(ran):
    broken = SECOND + "\nprint(1 / 0)"
    write_notebook(ran / "notebooks" / "02_second.ipynb", 'study = "smoke"', broken)
    with pytest.raises(GenrelibError):
        run()
    assert "Not up to date with the parameters below: 02_second" in page(ran)


def test_notebooks_whose_systems_the_study_does_not_name_are_passed_over(ran):
    write_notebook(ran / "notebooks" / "04_cnn.ipynb", 'study = "smoke"', "1 / 0")
    assert any("04_cnn: no system of this study" in line for line in run())


def test_what_killed_processes_left_is_swept(ran):
    folder = ran / "reports" / "trial" / "notebooks"
    (folder / ".01_first.77.tmp.ipynb").write_text("{")
    (folder / ".02_second.tmp.ipynb").write_text("{")
    run()
    assert not list(folder.glob(".*"))


def test_a_change_anywhere_in_the_package_counts(project, tmp_path, monkeypatch):
    package = tmp_path / "package"
    (package / "corpora").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "corpora" / "__init__.py").write_text("")
    monkeypatch.setattr(study, "__file__", str(package / "study" / "runner.py"))
    path = project / "notebooks" / "01_first.ipynb"
    before = study._key(path, {})
    (package / "corpora" / "__init__.py").write_text("changed = True")
    assert study._key(path, {}) != before


def test_the_state_is_whole_json(ran):
    state = json.loads((ran / "reports" / "trial" / "run.json").read_text())
    assert set(state["notebooks"]) == {"01_first", "02_second"}
