"""CONTRIBUTING.md, followed step by step in a copy of the project; the hooks of pre-commit."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
import yaml
from helpers.builders import ROOT, write_music

RECIPES = {"corpus": "field", "system": "mel_logistic", "protocol": "artist_80_20"}
CONTRACTS = ("test_cards.py", "test_systems.py", "test_protocols.py")
STEP = re.compile(
    r"(?:Write `(?P<new>[^`]+)`"
    r"|In `(?P<file>[^`]+)`, (?P<side>above|below) the first line that begins with "
    r"(?P<tick>`+)(?P<anchor>.+?)(?P=tick), add"
    r"|(?P<run>[Tt]hen run)):\n\n```\w+\n(?P<text>.*?)```",
    re.DOTALL,
)


class Step(NamedTuple):
    """A code block, with the file that it goes into; none where it is to be run."""

    file: str
    side: str
    anchor: str
    text: str


def steps(recipe: str) -> list[Step]:
    """Return the steps of the recipe that adds a corpus, a system or a protocol."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    (section,) = re.findall(rf"^## Add a {recipe}.*?(?=^## )", text, re.DOTALL | re.MULTILINE)
    found = [
        Step(m["new"] or m["file"] or "", m["side"] or "", m["anchor"] or "", m["text"])
        for m in STEP.finditer(section)
    ]
    assert len(found) == section.count("```") / 2, "a block without a step that can be followed"
    assert [bool(step.file) for step in found] == [True] * (len(found) - 1) + [False]
    return found


def follow(step: Step, root: Path) -> None:
    """Write a block into its file."""
    path = root / step.file
    if not step.side:
        assert not path.exists()
        path.write_text(step.text, "utf-8")
        return
    lines = path.read_text("utf-8").splitlines(keepends=True)
    place = next(n for n, line in enumerate(lines) if line.lstrip().startswith(step.anchor))
    blank = "\n\n" if step.text.startswith("def ") else ""
    lines.insert(place + (step.side == "below"), step.text + blank)
    path.write_text("".join(lines), "utf-8")


def run(root: Path, *command: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """Return a copy of the project that every recipe was followed in, but for what it runs."""
    root = tmp_path_factory.mktemp("project")
    for name in ("genrelib", "tests", "studies"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "STUDY.md"):
        shutil.copy(ROOT / name, root)
    for recipe in RECIPES:
        for step in steps(recipe):
            if step.file:
                follow(step, root)
    return root


def test_what_the_recipes_write_is_clean(project):
    run(project, sys.executable, "-m", "ruff", "check", "genrelib")
    run(project, sys.executable, "-m", "ruff", "format", "--check", "genrelib")


def test_what_the_recipes_run_loads_fits_and_splits(project):
    music = write_music(project / "data" / "raw" / "field")
    files = sorted(path.relative_to(music) for path in music.rglob("*.wav"))
    rows = [(str(f), f.parts[0], f.parts[1], f.stem) for f in files]
    index = pd.DataFrame(rows, columns=["file", "genre", "artist", "title"])
    index.loc[0, "artist"] = ""
    index.loc[len(index)] = ["lost.wav", "rock", "nobody", "lost"]
    index.to_csv(music / "index.csv", index=False)
    said = run(project, sys.executable, "-c", "\n".join(steps(name)[-1].text for name in RECIPES))
    assert "lost.wav" in said
    assert re.search(r"\(\d+, 10\)", said), "probabilities of every genre"
    assert said.count("'known_artist': 0.0") == 2


def test_the_new_rows_pass_the_contract_tests(project):
    tests = [str(next((project / "tests").rglob(name))) for name in CONTRACTS]
    chosen = " or ".join([*RECIPES.values(), "protocol_names_every_split"])
    command = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", *tests, "-k", chosen)
    said = run(project, *command)
    for name in RECIPES.values():
        assert f"[{name}] PASSED" in said


def test_a_system_takes_at_most_30_lines_of_one_file():
    *written, _ = steps("system")
    assert len({step.file for step in written}) == 1
    assert sum(len(step.text.splitlines()) for step in written) <= 30


def test_the_hooks_download_nothing_and_strip_as_make_does():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    hooks = {hook["id"]: hook for repo in config["repos"] for hook in repo["hooks"]}
    assert {hook["language"] for hook in hooks.values()} == {"system"}
    made = " ".join((ROOT / "Makefile").read_text("utf-8").replace("\\\n", " ").split())
    stripping = hooks["nbstripout"]["entry"].removeprefix(".venv/bin/")
    assert f"{stripping} notebooks/*.ipynb" in made
