"""The project itself: pins that agree, metadata, and nothing that must not be committed."""

import re
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

import genrelib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = dict(
    line.split("==")
    for line in (ROOT / "requirements.lock").read_text().splitlines()
    if line and not line.startswith("#")
)
LOCKED = {name.lower().replace("_", "-"): pin for name, pin in LOCK.items()}


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout: there is no list of committed files")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.exists()]  # a study run again may have removed some


def test_the_lock_satisfies_every_requirement():
    for text in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]:
        requirement = Requirement(text)
        assert LOCKED[requirement.name] in requirement.specifier, text


def test_torch_is_pinned_to_the_one_version():
    assert "torch==2.13.0" in PROJECT["dependencies"]
    assert LOCK["torch"] == "2.13.0"


@pytest.mark.parametrize(
    "name", ["torch", "scikit-learn", "librosa", "numpy", "skorch", "papermill"]
)
def test_what_is_installed_is_what_is_locked(name):
    assert Version(version(name)).public == LOCKED[name]


def test_conda_installs_from_the_same_pins():
    packages = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    pip = next(entry["pip"] for entry in packages if isinstance(entry, dict))
    assert pip == ["--constraint requirements.lock", "--editable .[dev]"]
    conda = [Requirement(entry) for entry in packages if isinstance(entry, str)]
    assert {entry.name for entry in conda} == {"python", "pip"}  # every other pin is the lock's
    (python,) = [entry for entry in conda if entry.name == "python"]
    assert str(python.specifier) == str(
        Requirement(f"python{PROJECT['requires-python']}").specifier
    )


def test_versions_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert genrelib.__version__ == PROJECT["version"] == citation["version"]


def test_every_make_target_of_the_readme_exists():
    made = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    readme = (ROOT / "README.md").read_text()
    named = set(re.findall(r"(?:`|^)make (\w+)", readme, re.MULTILINE))
    assert {"study", "test", "lab", "clean"} <= named
    assert named <= made


def test_the_readme_names_every_room_and_study_and_the_tables_have_its_numbers():
    readme = (ROOT / "README.md").read_text("utf-8")
    rooms = {path.parent.name for path in (ROOT / "genrelib").glob("*/__init__.py")}
    assert set(re.findall(r"^  (\w+)/ ", readme, re.MULTILINE)) == rooms
    studies = {path.stem for path in (ROOT / "studies").glob("*.yaml")}
    rows = re.findall(r"^\| (`.+?) \|", readme, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == studies
    scores = pd.read_csv(ROOT / "reports/gtzan_mel_dev/tables/09_scores.csv")
    reached = scores.loc[scores["system"] == "mel_svm", "accuracy"]
    claims = pd.read_csv(ROOT / "reports/demo/tables/09_claims.csv")["claimed"]
    percents = {f"{100 * share:.3g}" for share in [*reached, *claims.dropna()]}
    assert set(re.findall(r"(\d+(?:\.\d+)?) %", readme)) <= percents
    assert len(readme.split()) <= 700


def test_no_audio_but_our_own_and_nothing_large_is_committed():
    for path in tracked():
        if path.suffix in {".wav", ".au", ".mp3", ".ogg", ".flac"}:
            assert path.is_relative_to(ROOT / "reports" / "demo" / "audio"), path
        assert path.suffix not in {".h5", ".npz"} or path.parent.name == "golden", path
        assert path.stat().st_size < 3_000_000, path


def test_no_absolute_path_is_committed():
    pattern = re.compile(r"[\"'( ]/(home|Users|root|work|farm)/\w")
    for path in tracked():
        if path.suffix in {".py", ".md", ".ipynb", ".html", ".yaml", ".yml", ".toml", ".csv"}:
            text = path.read_text(encoding="utf-8")
            assert path == Path(__file__) or not pattern.search(text), path
