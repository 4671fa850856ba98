"""Run a study: its notebooks by papermill, in order, then the report.

``python -m genrelib.study NAME [--only 03,04] [--n-jobs N]``

A notebook is run again when its source, its parameters, the code or an earlier notebook's output
has changed, or when one of its own outputs is missing. The first one is always run: it looks at
the data afresh.
"""

import argparse
import json
import os
import platform
import sys
import time
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import nbformat
import papermill
import yaml
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from . import report, systems, training
from .errors import GenrelibError, unknown
from .files import Workspace, digest, replacing, write_text

FOR_THE_PAGE = ("title", "about")
CODE = (".py", ".csv", ".yaml")
REQUIRED = (*FOR_THE_PAGE, "corpus", "systems", "protocols")


def load_parameters(workspace: Workspace) -> dict:
    """Read ``studies/<study>.yaml`` and check every name against the notebooks.

    Parameters
    ----------
    workspace : Workspace
        Of the study.

    Returns
    -------
    dict
        ``title`` and ``about`` for the page, and the parameters of the notebooks.

    Raises
    ------
    GenrelibError
        For an unknown study, an unknown or a missing name, or a file that is not YAML.
    """
    known = {path.stem: path for path in (workspace.root / "studies").glob("*.yaml")}
    if workspace.study not in known:
        raise unknown("study", workspace.study, known)
    try:
        parameters = yaml.safe_load(known[workspace.study].read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise GenrelibError(f"studies/{workspace.study}.yaml is not valid YAML: {error}") from error
    if not isinstance(parameters, dict):
        raise GenrelibError(
            f"studies/{workspace.study}.yaml holds {type(parameters).__name__}; "
            "a mapping of parameter names to values is needed. See studies/demo.yaml."
        )
    missing = [name for name in REQUIRED if name not in parameters]
    if missing:
        raise GenrelibError(f"studies/{workspace.study}.yaml lacks: {', '.join(missing)}.")
    declared = set().union(*(declared_parameters(path) for path in notebooks(workspace)))
    for name in parameters:
        if name not in declared and name not in FOR_THE_PAGE:
            raise unknown(
                f"parameter in studies/{workspace.study}.yaml",
                name,
                declared | set(FOR_THE_PAGE) - {"study"},
            )
    return parameters


def notebooks(workspace: Workspace) -> list[Path]:
    """List the numbered source notebooks, in order."""
    return sorted((workspace.root / "notebooks").glob("[0-9][0-9]_*.ipynb"))


@cache
def declared_parameters(path: Path) -> frozenset[str]:
    """Return the names in a notebook's ``parameters`` cell."""
    return frozenset(papermill.inspect_notebook(str(path)))


def run(name: str, *, only: list[str] | None = None, n_jobs: int = -1, say=print) -> Path:
    """Run a study and write its report.

    Parameters
    ----------
    name : str
        Of a file in ``studies/``.
    only : list of str, optional
        Numbers of the notebooks to run, whether they need it or not; by default all that need it.
    n_jobs : int
        Processes for extraction and fits; -1 takes every core.
    say : callable
        Takes each line of progress.

    Returns
    -------
    Path
        The report's page.

    Raises
    ------
    GenrelibError
        For unknown names, and for a notebook that fails: the message names the cell.
    """
    workspace = Workspace.find(name)
    parameters = load_parameters(workspace)
    paths = notebooks(workspace)
    _check_numbers(only, paths)
    started, runs = time.perf_counter(), report.read_run(workspace).get("notebooks", {})
    for position, path in enumerate(paths, start=1):
        number, label = path.stem[:2], f"[{position}/{len(paths)}] {path.stem}"
        if only is not None and number not in only:
            continue
        injected = {k: v for k, v in parameters.items() if k in declared_parameters(path)}
        key = _key(path, injected)
        upstream = _digest(_outputs(workspace, p) for p in paths[: position - 1])
        state = {"key": key, "upstream": upstream, "outputs": _outputs(workspace, path)}
        old = {k: v for k, v in runs.get(path.stem, {}).items() if k in state}
        if only is None and position > 1 and state == old:
            say(f"{label}: up to date")
            continue
        say(f"{label} ...")
        if "n_jobs" in declared_parameters(path) and n_jobs != -1:
            injected["n_jobs"] = n_jobs
        seconds = execute(workspace, path, injected)
        say(f"{label}: done in {seconds:.0f} s")
        state["outputs"] = _outputs(workspace, path)
        runs[path.stem] = {**state, "seconds": round(seconds, 1)}
        write_text(workspace.report / "run.json", json.dumps({"notebooks": runs}, indent=1) + "\n")
    return report.build(
        workspace, parameters, _facts(workspace, runs, time.perf_counter() - started)
    )


def execute(workspace: Workspace, path: Path, parameters: dict) -> float:
    """Run one notebook into ``reports/<study>/notebooks/`` and return the seconds it took.

    What ran before a failure is kept there.
    """
    output = workspace.report / "notebooks" / path.name
    output.parent.mkdir(parents=True, exist_ok=True)
    report.clear(workspace, path.stem[:2])
    started = time.perf_counter()
    try:
        papermill.execute_notebook(
            str(path),
            str(output),
            {"study": workspace.study, **parameters},
            kernel_name="python3",
            cwd=str(workspace.root),
            progress_bar=False,
            stderr_file=sys.stderr,  # progress bars inside the notebook reach the terminal
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
        )
    except PapermillExecutionError as error:
        raise GenrelibError(_failure(output, error, workspace)) from error
    except DeadKernelError as error:
        raise GenrelibError(
            f"the process that ran {path.stem} was killed, perhaps for want of memory; run the "
            "study again with fewer processes (--n-jobs 1): finished fits are not repeated."
        ) from error
    with replacing(output) as temporary:
        nbformat.write(_settled(nbformat.read(output, as_version=4)), temporary)
    return time.perf_counter() - started


def _failure(output, error, workspace):
    """Name the failing cell by its number, its first line and the error."""
    first = next((x for x in error.source.splitlines() if x.strip()), "").strip()
    return (
        f"{output.stem} failed in code cell {error.exec_count} ({first!r}): "
        f"{error.ename}: {error.evalue}\n"
        f"What ran is kept in {output.relative_to(workspace.root)}. After mending the cause, run "
        "the study again: finished fits are not repeated."
    )


def _settled(notebook):
    """Drop what differs between equal runs: times, paths, random ids and progress bars."""
    notebook.metadata.pop("papermill", None)
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


def _check_numbers(only, paths):
    known = {path.stem[:2] for path in paths}
    for number in only or ():
        if number not in known:
            raise unknown("notebook number", number, known)


def _key(path: Path, parameters: dict) -> str:
    """Digest of what a notebook's output depends on, but for the data."""
    package = Path(__file__).parent
    code = {p.name: digest(p) for p in sorted(package.rglob("*")) if p.suffix in CODE}
    libraries = {name: version(name) for name in report.LIBRARIES}
    return _digest([digest(path), parameters, code, libraries])


def _outputs(workspace: Workspace, path: Path) -> dict[str, str]:
    """Return the digest of every file that a notebook has written, by its name in the report."""
    number = path.stem[:2]
    owned = [*workspace.figures.glob(f"{number}_*"), *workspace.tables.glob(f"{number}_*")]
    for name in systems.of_notebook(number, list(systems.SYSTEMS)):
        owned += (workspace.predictions / name).rglob("repeat*.csv")
    return {str(p.relative_to(workspace.report)): digest(p) for p in sorted(owned)}


def _digest(parts) -> str:
    return sha256(json.dumps(list(parts), sort_keys=True).encode()).hexdigest()


def _facts(workspace: Workspace, runs: dict, seconds: float) -> list[dict]:
    """List what is true of this run only."""
    device, reason = training.device()
    facts = {
        "finished": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "this run": f"{seconds:.0f} s",
        **{f"{stem}, when last run": f"{run['seconds']:.0f} s" for stem, run in runs.items()},
        **_seconds_per_fit(workspace),
        "networks ran on": f"{device}: {reason}",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "Python": platform.python_version(),
    }
    return [{"name": name, "value": value} for name, value in facts.items()]


def _seconds_per_fit(workspace: Workspace) -> dict[str, str]:
    facts = {}
    for name, known in systems.SYSTEMS.items():
        records = [
            json.loads(path.read_text(encoding="utf-8"))
            for path in (workspace.predictions / name).rglob("repeat*.json")
        ]
        if records:
            mean = sum(record["fit_seconds"] for record in records) / len(records)
            facts[f"one fit of {known.title}"] = f"{mean:.2f} s, mean of {len(records)}"
    return facts


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, run the study, and say where the report is."""
    parser = argparse.ArgumentParser(prog="python -m genrelib.study", description=__doc__)
    parser.add_argument("name", help="a file in studies/, without .yaml")
    parser.add_argument(
        "--only", metavar="03,04", help="run just these notebooks, up to date or not"
    )
    parser.add_argument("--n-jobs", type=int, default=-1, help="processes; -1 takes every core")
    options = parser.parse_args(arguments)
    only = options.only.split(",") if options.only else None
    try:
        page = run(options.name, only=only, n_jobs=options.n_jobs)
    except GenrelibError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"The report: {page.relative_to(Workspace.find(options.name).root)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
