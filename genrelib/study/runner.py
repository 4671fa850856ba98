"""Run a study: its notebooks by papermill, in order, then the report.

A notebook is run again when its source, its parameters, the code or an earlier notebook's output
has changed, or when one of its own outputs is missing. The first one is always run: it looks at
the data afresh.
"""

import contextlib
import json
import os
import platform
import sys
import time
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import nbformat
import papermill
from jupyter_client.kernelspec import NoSuchKernel
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from .. import report, systems
from ..base import parallel
from ..base.codetrace import digests, versions
from ..base.errors import GenrelibError, unknown
from ..base.files import Workspace, digest, locked, replacing, write_text
from ..experiments import predictions
from ..report import cards, page
from ..systems import training
from .parameters import declared_in, parameters_for, parameters_of, source_notebooks

START_TIMEOUT_S = 600  # for a notebook's process, on a machine that is busy with other work
_DAY_S = 24 * 3600
_KILLED = ("TerminatedWorkerError", "BrokenProcessPool", "MemoryError")
_MEMORY = (
    "was killed, perhaps for want of memory; run the study again with fewer processes "
    "(--n-jobs 1): finished fits are not repeated."
)


def run(name: str, *, only: list[str] | None = None, n_jobs: int = -1, say=print) -> Path:
    """Run a study and write its report; return the page's path.

    `only` holds numbers of notebooks to run, whether they need it or not; by default all that need
    it run. `n_jobs` processes extract and fit, -1 takes every core; `say` takes each line of
    progress.

    Raises :class:`GenrelibError` for unknown names, and for a notebook that fails: the message
    names the cell.
    """
    workspace = Workspace.find(name)
    parameters = parameters_of(workspace)
    paths = source_notebooks(workspace)
    known = {path.stem[:2] for path in paths}
    for number in only or ():
        if number not in known:
            raise unknown("notebook number", number, known)
    with locked(workspace.data / name):  # two runs would delete each other's unfinished files
        _sweep(workspace)
        return _run(workspace, parameters, paths, only, n_jobs, say)


def _run(workspace: Workspace, parameters: dict, paths: list[Path], only, n_jobs: int, say) -> Path:
    """Do what :func:`run` promises, alone in the study."""
    started, runs = time.perf_counter(), report.read_run(workspace).get("notebooks", {})
    try:
        for position, path in enumerate(paths):
            if only is not None and path.stem[:2] not in only:
                continue
            label = f"[{position + 1}/{len(paths)}] {path.stem}"
            if not _has_work(workspace, path, parameters):
                say(f"{label}: no system of this study that its corpus allows")
            elif only is None and position > 0 and _is_current(workspace, path, parameters, runs):
                say(f"{label}: up to date")
            else:
                say(f"{label} ...")
                seconds = execute(workspace, path, parameters, n_jobs=n_jobs)
                say(f"{label}: done in {seconds:.0f} s")
                _note(workspace, path, parameters, runs, seconds)
    finally:  # also after a failure, so that the page says what is no longer up to date
        facts = _facts(workspace, runs, time.perf_counter() - started)
        index = _publish(workspace, parameters, paths, runs, facts)
    return index


def publish(name: str, *, analyse: bool = False) -> Path:
    """Draw a study's figures and write its pages again, from its tables and predictions alone.

    With `analyse`, notebook 09 first makes its tables again, where the report holds predictions.
    Needs no music that is not rendered, and fits nothing; returns the front page's path. A study
    without tables, or with the predictions of some systems only, is a :class:`GenrelibError`.
    """
    workspace = Workspace.find(name)
    parameters = parameters_of(workspace)
    if not any(workspace.tables.glob("*.csv")):
        raise GenrelibError(
            f"reports/{name}/tables holds no table; run the study first: "
            f"python -m genrelib run {name}."
        )
    with locked(workspace.data / name):
        runs = report.read_run(workspace).get("notebooks", {})
        analyse = analyse and workspace.predictions.is_dir()
        if analyse:
            _analyse(workspace, parameters, runs)
        report.redraw(workspace, but=("09_",) if analyse else ())
        paths = source_notebooks(workspace) if runs else []  # a published report has no state
        return _publish(workspace, parameters, paths, runs, None)


def _analyse(workspace: Workspace, parameters: dict, runs: dict) -> None:
    """Run notebook 09 alone, if all that it reads is there: its tables are removed first."""
    lacking = report.lacking_systems(workspace)
    names = [name for name in systems.chosen(parameters["systems"]) if name not in lacking]
    predictions.read(workspace, names)
    (path,) = (path for path in source_notebooks(workspace) if path.stem.startswith("09"))
    seconds = execute(workspace, path, parameters)
    if runs:
        _note(workspace, path, parameters, runs, seconds)


def _note(workspace: Workspace, path: Path, parameters: dict, runs: dict, seconds: float) -> None:
    """Write down what a notebook was run with and what it wrote."""
    state = _state(workspace, path, parameters)
    runs[path.stem] = {**state, "seconds": round(seconds, 1)}
    text = json.dumps({"notebooks": runs}, indent=1) + "\n"
    write_text(workspace.report / "run.json", text)


def _publish(workspace: Workspace, parameters: dict, paths: list[Path], runs: dict, facts) -> Path:
    """Write the pages of a study, and the one over all studies."""
    at_work = [path for path in paths if _has_work(workspace, path, parameters)]
    outdated = [p.stem for p in at_work if not _is_current(workspace, p, parameters, runs)]
    cards.write(workspace, parameters)
    index = page.build(workspace, parameters, facts, outdated=outdated)
    studies = {}
    for path in sorted((workspace.root / "studies").glob("*.yaml")):
        other = Workspace(path.stem, workspace.root)
        with contextlib.suppress(GenrelibError):  # another study's faults are not this one's
            if other.report.exists():
                studies[path.stem] = parameters_of(other)
    page.build_overview(workspace, studies)
    return index


def _has_work(workspace: Workspace, path: Path, parameters: dict) -> bool:
    """Tell whether a notebook is of no system at all, or of one that study and corpus allow."""
    number = path.stem[:2]
    asked = systems.of_notebook(number, parameters["systems"])
    if "probed" in declared_in(path):
        asked = systems.chosen(parameters["probed"])
    elif not systems.of_notebook(number, systems.SYSTEMS):
        return True
    return bool(set(asked) - set(report.lacking_systems(workspace)))


def _is_current(workspace: Workspace, path: Path, parameters: dict, runs: dict) -> bool:
    """Tell whether a notebook's last run is what a run now would give."""
    state = _state(workspace, path, parameters)
    return state == {k: v for k, v in runs.get(path.stem, {}).items() if k in state}


def _state(workspace: Workspace, path: Path, parameters: dict) -> dict:
    """Describe what a notebook depends on and what it has written."""
    paths = source_notebooks(workspace)
    earlier = [_results(workspace, p) for p in paths[: paths.index(path)]]
    pages = (workspace.report / "notebooks").glob(f"{path.stem}.ipynb")
    return {
        "key": _key(path, parameters_for(path, parameters)),
        "upstream": _digest(earlier),
        "outputs": _results(workspace, path) | _digests(workspace, pages),
    }


def _sweep(workspace: Workspace) -> None:
    """Remove what killed processes left half-written; of others' data what is a day old."""
    for path in workspace.report.rglob(".*.tmp*"):
        path.unlink()
    for path in workspace.data.rglob(".*.tmp*"):
        if time.time() - path.stat().st_mtime > _DAY_S:
            path.unlink(missing_ok=True)


def execute(workspace: Workspace, path: Path, parameters: dict, *, n_jobs: int = -1) -> float:
    """Run one notebook into ``reports/<study>/notebooks/`` and return the seconds it took."""
    output = workspace.report / "notebooks" / path.name
    output.parent.mkdir(parents=True, exist_ok=True)
    running = output.with_name(f".{path.stem}.tmp.ipynb")
    report.clear(workspace, path.stem[:2])
    started = time.perf_counter()
    given = {"study": workspace.study, **parameters_for(path, parameters)}
    if "n_jobs" in declared_in(path) and n_jobs != -1:
        given["n_jobs"] = n_jobs
    try:
        papermill.execute_notebook(
            _unformatted(path),
            _unformatted(running),
            given,
            kernel_name="python3",
            cwd=str(workspace.root),
            progress_bar=False,
            start_timeout=START_TIMEOUT_S,
            stderr_file=sys.stderr,  # progress bars inside the notebook reach the terminal
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
        )
    except PapermillExecutionError as error:
        running.replace(output)
        raise GenrelibError(_failure(output, error, workspace)) from error
    except DeadKernelError as error:
        raise GenrelibError(f"the process that ran {path.stem} {_MEMORY}") from error
    except (NoSuchKernel, TimeoutError) as error:
        raise GenrelibError(
            f"no process for {path.stem} could be started ({error or 'it does not answer'}); make "
            "the environment again: make clean, then make study."
        ) from error
    except OSError as error:
        raise GenrelibError(
            f"{path.stem} could not be written below {workspace.report} ({error.strerror or error})"
            "; make room or give write permission, and run the study again: nothing is lost."
        ) from error
    with replacing(output) as temporary:
        nbformat.write(_settled(nbformat.read(running, as_version=4)), temporary)
    running.unlink()
    return time.perf_counter() - started


def _unformatted(path: Path) -> str:
    """Return a path for papermill, which formats paths with parameters: braces stay as they are."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _failure(output, error, workspace):
    """Name the failing cell by its number, its first line and the error."""
    if error.ename in _KILLED:
        return f"a worker of {output.stem} {_MEMORY}"
    first = next((x for x in error.source.splitlines() if x.strip()), "").strip()
    return (
        f"{output.stem} failed in code cell {error.exec_count} ({first!r}): "
        f"{error.ename}: {error.evalue}\n"
        f"What ran is kept in {output.relative_to(workspace.root)}. After mending the cause, run "
        "the study again: finished fits are not repeated."
    )


def _settled(notebook):
    """Drop what differs between equal runs (times, ids, progress bars), and links to copies."""
    notebook.metadata.pop("papermill", None)
    notebook.cells[0].source = notebook.cells[0].source.partition("\n\n*Executed*")[0]
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if not _is_progress(out)]
    return notebook


def _is_progress(output) -> bool:
    """Tell a progress bar, or the line end it leaves behind, from a warning."""
    text = output.get("text", "")
    return output.get("name") == "stderr" and ("\r" in text or not text.strip())


def _key(path: Path, parameters: dict) -> str:
    """Digest of what a notebook's output depends on, but for the data."""
    return _digest([digest(path), parameters, digests(Path(__file__).parents[1]), versions()])


def _results(workspace: Workspace, path: Path) -> dict[str, str]:
    """Return the digest of every result of a notebook, by its name in the report."""
    number = path.stem[:2]
    owned = [*workspace.figures.glob(f"{number}_*"), *workspace.tables.glob(f"{number}_*")]
    for name in systems.of_notebook(number, systems.SYSTEMS):
        owned += (workspace.predictions / name).rglob("repeat*.*")
    return _digests(workspace, owned)


def _digests(workspace: Workspace, paths) -> dict[str, str]:
    return {str(p.relative_to(workspace.report)): digest(p) for p in sorted(paths)}


def _digest(parts) -> str:
    return sha256(json.dumps(list(parts), sort_keys=True).encode()).hexdigest()


def _facts(workspace: Workspace, runs: dict, seconds: float) -> list[dict]:
    """List what is true of this run only."""
    address = os.environ.get(parallel.SCHEDULER)
    device = f"the workers of {address}" if address else ": ".join(training.device())
    facts = {
        "finished": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "this run": f"{seconds:.0f} s",
        **{f"{stem}, when last run": f"{run['seconds']:.0f} s" for stem, run in runs.items()},
        **_seconds_per_fit(workspace),
        "networks ran on": device,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "Python": platform.python_version(),
    }
    return [{"name": name, "value": value} for name, value in facts.items()]


def _seconds_per_fit(workspace: Workspace) -> dict[str, str]:
    facts = {}
    for name, known in systems.SYSTEMS.items():
        paths = (workspace.predictions / name).rglob("repeat*.json")
        records = [predictions.record_of(path) for path in paths]
        seconds = [record["fit_seconds"] for record in records if record]
        if seconds:
            mean = sum(seconds) / len(seconds)
            facts[f"one fit of {known.title}"] = f"{mean:.2f} s, mean of {len(seconds)}"
    return facts
