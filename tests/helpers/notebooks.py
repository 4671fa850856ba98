"""Notebooks of a few lines, and studies whose notebooks run in this process."""

import os
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import matplotlib as mpl
import matplotlib.pyplot as plt
import nbformat
import papermill
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from genrelib.study import runner

DECLARED = 'study = "smoke"\ncorpus = ""\nsystems = []\nprotocols = []\n'


def write_notebook(path: Path, parameters: str, code: str) -> None:
    cells = [
        nbformat.v4.new_markdown_cell(f"# {path.stem}"),
        nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(code),
    ]
    path.parent.mkdir(exist_ok=True)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)


def run_here(root: Path, name: str, does: Callable = runner.run, **arguments) -> None:
    """Run a study, or publish it, as the command does, with the cells in this process.

    Starting a kernel for each notebook takes longer than all that a small study does.
    """
    before = Path.cwd()
    os.chdir(root)
    if does is runner.run:
        arguments |= {"n_jobs": 1, "say": str}
    try:
        with mpl.rc_context(), mock.patch.object(papermill, "execute_notebook", _execute):
            does(name, **arguments)
    finally:
        os.chdir(before)
        plt.close("all")


def _execute(source: str, target: str, parameters: dict, **_options) -> None:
    """Stand in for papermill: run the cells, and write the notebook with what they showed."""
    source, target = source.format(), target.format()  # as papermill does
    notebook = nbformat.read(source, as_version=4)
    shell = InteractiveShell()
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        with capture_output() as shown:
            shell.run_cell(cell.source).raise_error()
        if "parameters" in cell.metadata.get("tags", []):
            shell.push(parameters)
        cell.outputs = [
            nbformat.v4.new_output("display_data", data=out.data) for out in shown.outputs
        ]
        if shown.stdout:
            cell.outputs.append(nbformat.v4.new_output("stream", text=shown.stdout))
        plt.close("all")
    nbformat.write(notebook, target)
