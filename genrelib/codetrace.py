"""What a class does, as text: its code and all of this package that it names, directly or not.

A fit is done again when this text changes; comments, docstrings and layout do not count.
"""

import ast
import inspect
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

from .files import digest

PACKAGE = __package__
CODE = (".py", ".csv", ".yaml")


def digests(package: Path) -> list[tuple[str, str]]:
    """List every file of code in a package's folder, by its name there, with its digest."""
    paths = [path for path in sorted(package.rglob("*")) if path.suffix in CODE]
    return [(str(path.relative_to(package)), digest(path)) for path in paths]


@cache
def code_of(cls: type) -> str:
    """Return the syntax trees of a class and of the definitions that it depends on.

    Methods called on objects that were handed over are not found this way; their classes have
    to be traced too.

    Parameters
    ----------
    cls : type
        A class of this package.
    """
    found: dict[str, str] = {}
    _collect(inspect.getmodule(cls), cls.__name__, found)
    return "\n".join(found[name] for name in sorted(found))


def _collect(module: ModuleType, name: str, found: dict[str, str]) -> None:
    """Add a definition and what it names; pass over what is not of this package."""
    definitions, imports = _names(module)
    key = f"{module.__name__}.{name}"
    if key in found:
        return
    if name in imports:
        origin, original = imports[name]
        if original:
            _collect(import_module(origin), original, found)
    elif name in definitions:
        node = definitions[name]
        found[key] = f"{key} {ast.dump(node)}"
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name):
                _collect(module, inner.id, found)
            elif isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name):
                origin, original = imports.get(inner.value.id, ("", "not a module"))
                if not original:
                    _collect(import_module(origin), inner.attr, found)


@cache
def _names(module: ModuleType) -> tuple[dict[str, ast.AST], dict[str, tuple[str, str]]]:
    """Return what a module defines, without docstrings, and what it imports from this package.

    An import is the module it is from and its name there, empty when it is the module itself.
    """
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
            inner.body = inner.body[1:]
    return node
