"""What results depend on: the libraries, and a class's code as text.

The text holds all of this package that the class names, directly or not; a fit is done again when
it changes. Comments, docstrings, layout, and the modules that definitions lie in do not count.
"""

import ast
import copy
import inspect
import symtable
from collections.abc import Iterable
from functools import cache
from importlib import import_module, metadata
from pathlib import Path
from types import ModuleType

from .files import digest

CODE = (".py", ".csv", ".yaml")

FIT_LIBRARIES = ("numpy", "scikit-learn", "scipy", "skorch", "torch")  # part of a fit's key

LIBRARIES = tuple(
    sorted([*FIT_LIBRARIES, "genrelib", "h5py", "librosa", "matplotlib", "pandas", "soundfile"])
)
"""What results depend on: a report states the versions, and workers must have the same."""


def versions(names: Iterable[str] = LIBRARIES) -> dict[str, str]:
    """Return the versions of installed libraries by name."""
    return {name: metadata.version(name) for name in names}


def digests(package: Path) -> list[tuple[str, str]]:
    """List every file of code in a package's folder, by its name there, with its digest."""
    paths = [path for path in sorted(package.rglob("*")) if path.suffix in CODE]
    return [(str(path.relative_to(package)), digest(path)) for path in paths]


@cache
def code_of(cls: type) -> str:
    """Return the syntax trees of a class or function and of the definitions that it depends on.

    Each definition has a line; lines are sorted. Methods called on objects that were handed over
    are not found this way; their classes have to be traced too.
    """
    found: dict[tuple[str, str], str] = {}
    _collect(inspect.getmodule(cls), cls.__name__, found)
    return "\n".join(sorted(set(found.values())))


def code_of_modules(modules: list[ModuleType]) -> str:
    """Return the syntax trees of all definitions of modules, sorted, without imports."""
    return "\n".join(sorted(_text(m, name) for m in modules for name in _names(m)[0]))


def _collect(module: ModuleType, name: str, found: dict) -> None:
    """Add a definition and what it names; pass over what is not of this package."""
    definitions, imports = _names(module)
    if (module.__name__, name) in found:
        return
    if name in imports:
        origin, original = imports[name]
        if original:
            _collect(import_module(origin), original, found)
    elif name in definitions:
        found[module.__name__, name] = _text(module, name)
        node = definitions[name]
        for inner in _globals(node):
            _collect(module, inner, found)
        for inner in ast.walk(node):
            if origin := _module_named(inner, imports):
                _collect(import_module(origin), inner.attr, found)


@cache
def _text(module: ModuleType, name: str) -> str:
    """Return a definition's syntax tree, imported names as they are where they come from."""
    definitions, imports = _names(module)
    node = copy.deepcopy(definitions[name])
    return f"{name} {ast.dump(_Unaliased(imports).visit(node))}"


class _Unaliased(ast.NodeTransformer):
    """Write ``module.name`` of this package as ``name``, and an alias as what it stands for."""

    def __init__(self, imports):
        self.imports = imports

    def visit_Attribute(self, node):
        if _module_named(node, self.imports):
            return ast.Name(node.attr, node.ctx)
        return self.generic_visit(node)

    def visit_Name(self, node):
        _, original = self.imports.get(node.id, ("", ""))
        return ast.Name(original or node.id, node.ctx)


def _module_named(node: ast.AST, imports: dict) -> str:
    """Return the module that ``module.name`` reads from; empty for other nodes."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        origin, original = imports.get(node.value.id, ("", "not a module"))
        return "" if original else origin
    return ""


def _globals(node: ast.AST) -> set[str]:
    """Names that a definition takes from its module."""
    top = symtable.symtable(ast.unparse(node), "definition", "exec")
    names, tables = {s.get_name() for s in top.get_symbols() if s.is_referenced()}, [top]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        if table is not top:
            names |= {s.get_name() for s in table.get_symbols() if s.is_global()}
    return names


@cache
def _names(module: ModuleType) -> tuple[dict[str, ast.AST], dict[str, tuple[str, str]]]:
    """Return what a module defines, without docstrings, and what it imports from this package."""
    definitions, imports = {}, {}
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            definitions[node.name] = _without_docstrings(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            definitions |= {t.id: node for t in targets if isinstance(t, ast.Name)}
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = module.__name__.split(".")
            is_package = hasattr(module, "__path__")
            base = base[: len(base) - node.level + is_package]
            origin = ".".join([*base, *(node.module or "").split(".")]).rstrip(".")
            for alias in node.names:
                imports[alias.asname or alias.name] = _resolved(origin, alias.name)
    return definitions, imports


def _resolved(origin: str, name: str) -> tuple[str, str]:
    """Tell a name of a module from a module of a package."""
    value = getattr(import_module(origin), name)
    return (value.__name__, "") if isinstance(value, ModuleType) else (origin, name)


def _without_docstrings(node: ast.AST) -> ast.AST:
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(inner):
            inner.body = inner.body[1:] or [ast.Pass()]
    return node
