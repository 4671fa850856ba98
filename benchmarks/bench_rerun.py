"""A study run again with nothing changed, against its first run.

The demo, in a copy of the project with nothing rendered or fitted, by the command that people use:
the first run takes minutes. Both are compared by the clock, interpreters and imports included.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from measuring import Figure

PROJECT = Path(__file__).parents[1]
STUDY = "demo"
GOAL = 0.05


def figures(study: str = STUDY) -> Iterator[Figure]:
    """Yield the second run's share of the first one's time."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("notebooks", "studies"):
            shutil.copytree(PROJECT / name, root / name)
        first_s, again_s = (_seconds(root, study) for _ in range(2))
    yield Figure(
        f"{study} run again with nothing changed over its first run",
        again_s / first_s,
        GOAL,
        "less",
        f"{again_s:.1f} of {first_s:.0f} s, by the clock",
    )


def _seconds(root: Path, study: str) -> float:
    started = time.perf_counter()
    command = [sys.executable, "-m", "genrelib", "run", study]
    subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started
