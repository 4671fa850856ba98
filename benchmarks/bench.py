"""Run the benchmarks, print their figures beside the goals, and keep each one's last run.

``python benchmarks/bench.py`` runs every ``bench_*.py`` beside it, ``python benchmarks/bench.py
features training`` some; ``results.csv`` holds the last run of each. A benchmark is a module with a
function ``figures()`` that yields :class:`measuring.Figure`.

Ratios carry over between machines, seconds don't. Figures mean little on a machine that is busy.
"""

import argparse
import platform
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from measuring import Figure, machine

from genrelib.base.files import replacing

HERE = Path(__file__).parent
LIBRARIES = ("genrelib", "h5py", "joblib", "librosa", "numpy", "scipy", "skorch", "torch")


def names() -> list[str]:
    """Return the benchmarks that there are."""
    return sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def measured(name: str) -> Iterator[Figure]:
    """Run a benchmark, and print each figure as it comes."""
    for figure in import_module(f"bench_{name}").figures():
        value = f"{figure.value:8.3g}"
        print(
            f"{value}  {figure.goal_text:<11}{figure.met:<5}{figure.what}; {figure.detail}",
            flush=True,
        )
        yield figure


def table(name: str, figures: Iterable[Figure]) -> pd.DataFrame:
    """Lay a benchmark's figures out as a table, with the machine and the versions in every row."""
    where = {"machine": machine(), "python": platform.python_version()}
    versions = {name: version(name) for name in LIBRARIES}
    return pd.DataFrame(
        {
            "benchmark": name,
            "what": figure.what,
            "figure": f"{figure.value:.4g}",
            "goal": figure.goal_text,
            "met": figure.met,
            "detail": figure.detail,
            **where,
            **versions,
        }
        for figure in figures
    )


def keep(name: str, figures: Iterable[Figure]) -> None:
    """Put a benchmark's rows in the place of those of its last run; the others' rows stay."""
    path, rows = HERE / "results.csv", table(name, figures)
    if path.exists():
        kept = pd.read_csv(path, dtype=str, keep_default_na=False)
        rows = pd.concat([kept[kept["benchmark"] != name], rows])
    with replacing(path) as temporary:
        rows.sort_values("benchmark", kind="stable").to_csv(
            temporary, index=False, lineterminator="\n"
        )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("benchmark", nargs="*", choices=[[], *names()], help="all by default")
    print(f"{machine()}, Python {platform.python_version()}\n")
    print(f"{'figure':>8}  {'goal':<11}{'met':<5}what")
    for name in parser.parse_args(arguments).benchmark or names():
        keep(name, measured(name))


if __name__ == "__main__":
    main()
