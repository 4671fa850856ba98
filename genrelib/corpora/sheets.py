"""Sheets: CSV files that people write, read line by line so that each fault can be named."""

import csv
from collections.abc import Iterator
from pathlib import Path

from ..base.errors import GenrelibError


def read(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Read a CSV in UTF-8, with a byte-order mark or without.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    names : list of str
        Of the columns; empty when the file is.
    lines : list of (int, list of str)
        The number in the file of every line that is not blank, and its cells, without spaces at
        their ends. Empty cells beyond the columns, as a trailing comma makes them, are left out;
        others stay, so that a line may have more or fewer cells than there are columns.

    Raises
    ------
    GenrelibError
        When the file can't be read, or is no CSV in UTF-8.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            lines = list(_cells(csv.reader(file, strict=True)))
    except (OSError, ValueError, csv.Error) as error:
        raise GenrelibError(
            f"{path} can't be read as a CSV in UTF-8 ({error}); save it as one."
        ) from error
    names = _shortened(lines[0][1], 0) if lines else []
    return names, [(number, _shortened(cells, len(names))) for number, cells in lines[1:]]


def _cells(lines) -> Iterator[tuple[int, list[str]]]:
    for cells in lines:
        cells = [cell.strip() for cell in cells]
        if any(cells):
            yield lines.line_num, cells


def _shortened(cells: list[str], n: int) -> list[str]:
    """Take empty cells off the end as long as there are more than `n`."""
    while len(cells) > n and not cells[-1]:
        cells = cells[:-1]
    return cells
