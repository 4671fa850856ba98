"""Notebooks of a few lines."""

from pathlib import Path

import nbformat

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
