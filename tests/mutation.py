"""Do the tests notice a change of the code that computes results? ``make mutation``.

Each mutant is the code of ``genrelib/inference`` or ``genrelib/protocols.py`` with one small change
by Cosmic Ray (https://cosmic-ray.readthedocs.io): a number one off, a comparison turned or its
bound moved, an operator exchanged, a condition negated, a loop left out. A mutant is killed when a
test of these rooms fails. A seeded sample is drawn from all of them. Text is never changed
(docstrings, messages, names), nor are annotations. Exchanges that always end in a TypeError, like
``-`` for ``%``, are left out: they would only raise the score.

A mutant lives in a process of its own, forked when the libraries are loaded; files are not touched.
It meets the tests that run the changed line, the quickest first, as far as a minute reaches: the
longest simulations are left out, which could only kill more.

Not every survivor is a gap. These kinds change nothing that can be seen: another order where an
index or a registry sorts afterwards (``sort=False``); a tolerance one off (``1e-9``, a rounding to
6 digits); a bound moved to where no value lies (a p of exactly 0.05, ``clip(share, 0, 1)``); the
first for the last of equal values (``iloc[0]``); a frozen class that can be changed, a strict
``zip`` of what is equally long.
"""

import argparse
import difflib
import gc
import os
import random
import signal
import sys
import time
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from itertools import accumulate
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import coverage
import hypothesis
import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from tqdm import tqdm

ROOT = Path(__file__).parents[1]
SOURCES = [*sorted((ROOT / "genrelib/inference").glob("*.py")), ROOT / "genrelib/protocols.py"]
OWN = ("genrelib", "tests")
TESTS = [str(ROOT / "tests/inference"), str(ROOT / "tests/protocols")]
BINARY = ("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "Pow_Mul", "BitAnd_BitOr", "BitOr_BitAnd")
TURNED = ("Eq_NotEq", "NotEq_Eq", "Lt_GtE", "LtE_Gt", "Gt_LtE", "GtE_Lt", "Is_IsNot", "IsNot_Is")
MOVED = ("Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt")
OPERATORS = [
    *(f"ReplaceBinaryOperator_{name}" for name in BINARY),
    *(f"ReplaceComparisonOperator_{name}" for name in TURNED + MOVED),
    *(f"ReplaceUnaryOperator_Delete_{name}" for name in ("Not", "USub", "Invert")),
    *("AddNot", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue"),
    *("ReplaceAndWithOr", "ReplaceOrWithAnd"),
    *("ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "ZeroIterationForLoop"),
    *("NumberReplacer", "RemoveDecorator"),
]
ARITHMETIC = {"arith_expr", "term", "power", "expr", "and_expr"}
ANNOTATED = {"tfpdef", "annassign"}
BUDGET_S = 60  # of tests, as timed on the code as it is
LIMIT_S = 600
GOAL = 0.85


class Mutant(NamedTuple):
    """The change of one operator at its n-th place in a file, which is on these lines."""

    path: Path
    operator: str
    occurrence: int
    first: int
    last: int

    def source(self) -> str:
        """Return the changed code."""
        code = self.path.read_text(encoding="utf-8")
        return mutate_code(code, get_operator(f"core/{self.operator}")(), self.occurrence)

    def __str__(self):
        before, after = self.path.read_text(encoding="utf-8"), self.source()
        diff = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
        where = f"{self.path.relative_to(ROOT)}:{self.first}"
        return "\n    ".join([where, *(line for line in list(diff)[2:] if line[0] in "+-")])


def mutants(path: Path) -> Iterator[Mutant]:
    """Yield every mutant of a file, in a fixed order."""
    tree = get_ast(path.read_text(encoding="utf-8"))
    for name in OPERATORS:
        operator = get_operator(f"core/{name}")()
        places = [(n, *place) for n in ast_nodes(tree) for place in operator.mutation_positions(n)]
        for occurrence, (node, start, end) in enumerate(places):
            is_star = name.startswith("ReplaceBinary") and node.parent.type not in ARITHMETIC
            if not is_star and not _is_annotation(node):
                yield Mutant(path, name, occurrence, start[0], end[0])


def _is_annotation(node) -> bool:
    while node.parent is not None:
        if node.parent.type in ANNOTATED or node is getattr(node.parent, "annotation", None):
            return True
        node = node.parent
    return False


class Tests:
    """What pytest tells of a run, and which tests it runs: those in `order`, if given."""

    def __init__(self, order: list[str] | None = None, meter: coverage.Coverage | None = None):
        self.order, self.meter = order, meter
        self.seconds, self.failed = defaultdict(float), []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        if self.order is not None:
            by_name = {item.nodeid: item for item in items}
            items[:] = [by_name[name] for name in self.order]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        self._switch(item.nodeid)
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef, request):
        """Count what a shared fixture runs for no single test."""
        if fixturedef.scope == "function":
            return (yield)
        self._switch("")
        result = yield
        self._switch(request._pyfuncitem.nodeid)
        return result

    def _switch(self, name):
        if self.meter:
            self.meter.switch_context(name)

    def pytest_runtest_logreport(self, report):
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.failed.append(report.nodeid)


def run(tests: Tests) -> int:
    """Run pytest in this process, without a word, and return its status."""
    hypothesis.settings.register_profile("mutation", database=None, deadline=None, derandomize=True)
    hypothesis.settings.load_profile("mutation")
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    options = ["-x", "--assert=plain", "-o", "addopts="]
    options += ["-p", "no:terminal", "-p", "no:cacheprovider"]
    return int(pytest.main([*options, *TESTS], plugins=[tests]))


def measured(_=None) -> tuple[dict[str, float], dict[tuple[Path, int], set[str]]]:
    """Run all tests as the code is: the seconds of each, and the tests that run each line.

    A line that is run on import has the test ``""``.
    """
    meter = coverage.Coverage(data_file=None, include=list(map(str, SOURCES)))
    tests = Tests(meter=meter)
    meter.start()
    status = run(tests)
    meter.stop()
    if status:
        sys.exit(f"the tests fail as the code is: {', '.join(tests.failed) or status}")
    lines = {
        (path, line): set(names)
        for path in SOURCES
        for line, names in meter.get_data().contexts_by_lineno(str(path)).items()
    }
    return dict(tests.seconds), lines


def tried(job: tuple[Mutant, list[str]]) -> tuple[Mutant, str, float]:
    """Run tests on a mutant: what kills it, or an empty string, and the seconds."""
    mutant, names = job
    source, original = mutant.source(), SourceFileLoader.get_code

    def get_code(self, name):
        if Path(self.path) == mutant.path:
            return self.source_to_code(source.encode(), self.path)
        return original(self, name)

    def stop(*_):
        raise TimeoutError

    SourceFileLoader.get_code = get_code
    signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT_S)
    start, tests = time.perf_counter(), Tests(names)
    killed = run(tests) if names else 0
    killer = (tests.failed or ["on import"])[0] if killed else ""
    return mutant, killer, time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--number", type=int, default=320)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    every = [mutant for path in SOURCES for mutant in mutants(path)]
    sample = sorted(random.Random(given.seed).sample(every, min(given.number, len(every))))
    run(Tests(order=[]))  # collects, which loads the libraries
    for name, module in list(sys.modules.items()):
        file = Path(getattr(module, "__file__", None) or "")
        if name != "__main__" and any(file.is_relative_to(ROOT / own) for own in OWN):
            del sys.modules[name]
    gc.collect()
    gc.freeze()  # the libraries: pytest collects garbage twice in each mutant
    with get_context("fork").Pool(given.jobs, maxtasksperchild=1) as pool:
        seconds, lines = pool.apply(measured)
        print(f"{len(seconds)} tests in {sum(seconds.values()):.0f} s; {len(every)} mutants")
        quickest = sorted(seconds, key=seconds.get)
        jobs = []
        for mutant in sample:
            spanned = range(mutant.first, mutant.last + 1)
            known = set().union(*(lines.get((mutant.path, line), ()) for line in spanned))
            those = [name for name in quickest if name in known or "" in known]
            until = bisect(list(accumulate(seconds[name] for name in those)), BUDGET_S)
            jobs.append((mutant, those[:until]))
        found, bar = [], tqdm(pool.imap_unordered(tried, jobs), total=len(jobs))
        for mutant, killer, spent in bar:
            found.append(bool(killer))
            bar.set_postfix(killed=sum(found))
            if not killer:
                tqdm.write(f"survives {spent:.0f} s of tests: {mutant}")
    share = sum(found) / len(found)
    print(f"{sum(found)} of {len(found)} mutants killed ({share:.1%}), seed {given.seed}")
    return int(share < GOAL)


if __name__ == "__main__":
    sys.exit(main())
