"""The rooms of genrelib: imports go down the floors, and never in a circle."""

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "genrelib"

FLOORS = (
    ("base",),
    ("features",),
    ("store", "synthesis", "systems"),
    ("corpora",),
    ("protocols",),
    ("experiments", "inference"),
    ("inspection", "robustness", "explain"),
    ("plots", "report"),
    ("study",),
    ("prediction",),
    ("__main__",),
)
"""The rooms, lowest floor first: a room imports from its own floor and from those below."""

FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}


def rooms() -> list[str]:
    """Rooms of the package: its folders of code, and the modules beside ``__init__``."""
    folders = [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    return sorted([*folders, *(path.stem for path in PACKAGE.glob("*.py"))])


@cache
def imports() -> dict[str, dict[str, set[str]]]:
    """Rooms that each room imports from, with the files that do; those inside functions count."""
    found = {room: {} for room in rooms()}
    for path in PACKAGE.rglob("*.py"):
        inside = path.relative_to(PACKAGE)
        room = inside.parts[0] if len(inside.parts) > 1 else inside.stem
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for other in _rooms_named(node, inside):
                if other != room:
                    found[room].setdefault(other, set()).add(str(inside))
    return found


def _rooms_named(node: ast.AST, path: Path) -> list[str]:
    """Rooms that an import statement of the file `path` names."""
    if isinstance(node, ast.Import):
        modules = [alias.name.split(".") for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        package = ["genrelib", *path.parts[:-1]]
        base = package[: len(package) - node.level + 1] if node.level else []
        module = [*base, *(node.module.split(".") if node.module else [])]
        modules = [module] if len(module) > 1 else [[*module, alias.name] for alias in node.names]
    else:
        return []
    named = [module[1] for module in modules if module[0] == "genrelib" and len(module) > 1]
    return [name for name in named if name in rooms()]


def test_every_room_has_a_floor():
    assert sorted(set(rooms()) - {"__init__"}) == sorted(FLOOR_OF)


def test_a_house_that_can_be_taken_in():
    assert len(list(PACKAGE.glob("*.py"))) <= 4
    assert len(rooms()) <= 20


@pytest.mark.parametrize("room", FLOOR_OF)
def test_no_room_imports_from_a_floor_above(room):
    upward = {o: files for o, files in imports()[room].items() if FLOOR_OF[o] > FLOOR_OF[room]}
    assert not upward


def test_no_circle_of_rooms():
    list(TopologicalSorter(imports()).static_order())  # raises CycleError, which names the circle


def test_imports_are_found_however_they_are_written():
    here = Path("study/runner.py")
    for text, expected in {
        "import genrelib.store.packs": ["store"],
        "import os": [],
        "from genrelib import plots, report": ["plots", "report"],
        "from genrelib.store.packs import described": ["store"],
        "from .. import systems": ["systems"],
        "from ..base.errors import unknown": ["base"],
        "from . import parameters": ["study"],
        "from .. import __version__": [],
    }.items():
        assert _rooms_named(ast.parse(text).body[0], here) == expected, text
    assert imports()["corpora"]["synthesis"] == {"corpora/__init__.py"}  # inside a function
