"""The project itself: pins that agree, metadata, and nothing that must not be committed."""

import http.server
import os
import re
import subprocess
import sys
import threading
import tomllib
import zipfile
from contextlib import contextmanager
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import pandas as pd
import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import genrelib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = [
    Requirement(line)
    for line in (ROOT / "requirements.lock").read_text().splitlines()
    if not line.startswith("#")
]
SYSTEMS = {
    "Linux": {"sys_platform": "linux", "os_name": "posix", "platform_system": "Linux"},
    "macOS": {"sys_platform": "darwin", "os_name": "posix", "platform_system": "Darwin"},
    "Windows": {"sys_platform": "win32", "os_name": "nt", "platform_system": "Windows"},
}
MACHINES = {"Linux": "x86_64", "macOS": "arm64", "Windows": "AMD64"}


def environment(system: str, python: str) -> dict[str, str]:
    """Return what markers of requirements ask of a system."""
    return {
        **SYSTEMS[system],
        "platform_machine": MACHINES[system],
        "python_version": python.rpartition(".")[0],
        "python_full_version": python,
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }


def applies(requirement: Requirement, where: dict[str, str]) -> bool:
    return requirement.marker is None or requirement.marker.evaluate(where)


def locked(where: dict[str, str]) -> dict[str, str]:
    """Return the version of each package that the lock holds for a system."""
    return {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin in PINS
        if applies(pin, where)
    }


LOCKED = locked(default_environment())


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout: there is no list of committed files")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.exists()]  # a study run again may have removed some


@pytest.mark.parametrize("python", ["3.11.5", "3.12.0", "3.13.0"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_nothing_is_installed_unpinned(system, python):
    """Follow every requirement that holds there, as far as packages are installed here."""
    where = environment(system, python)
    pins = locked(where)
    seen, waiting = set(), [("genrelib", "dev")]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            required = map(Requirement, requires(name) or ())
        except PackageNotFoundError:  # of another system
            continue
        for requirement in required:
            if not applies(requirement, {**where, "extra": extra}):
                continue
            needed = canonicalize_name(requirement.name)
            if needed != "genrelib":
                assert needed in pins, f"{name} needs {requirement}"
                assert pins[needed] in requirement.specifier, f"{name} needs {requirement}"
            waiting += [(needed, e) for e in ("", *requirement.extras)]
    assert len(seen) > 100


def test_a_light_install_holds_no_notebook_server_and_no_cluster():
    needed = {Requirement(text).name for text in PROJECT["dependencies"]}
    assert not needed & {"jupyterlab", "dask", "distributed", "pytest"}


@contextmanager
def index_with_torch(folder: Path):
    """Serve a package index that holds nothing but an empty PyTorch for the CPU."""
    wheel = folder / "torch" / "torch-2.13.0+cpu-py3-none-any.whl"
    wheel.parent.mkdir(parents=True)
    about = "torch-2.13.0+cpu.dist-info"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: torch\nVersion: 2.13.0+cpu\n"
        )
        file.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{about}/RECORD", "")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def make_torch(folder: Path, *variables: str) -> tuple[str, str]:
    """Run make's step for PyTorch in an environment of its own; return what it says and has."""
    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    settings = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "UV_", "MAKE"))}
    done = subprocess.run(
        ["make", "torch", f"VENV={venv}", "UV=", *variables],
        cwd=ROOT,
        env={**settings, "PIP_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout, " ".join(p.name for p in venv.glob("lib/*/site-packages/torch*"))


def test_pytorch_for_the_cpu_is_taken_from_its_own_index(tmp_path):
    with index_with_torch(tmp_path / "index") as address:
        _, found = make_torch(tmp_path, "TORCH=cpu", f"TORCH_CPU_INDEX={address}")
    assert found == "torch-2.13.0+cpu.dist-info"


def test_without_that_index_the_ordinary_one_serves(tmp_path):
    said, found = make_torch(tmp_path, "TORCH=cpu", "TORCH_CPU_INDEX=http://127.0.0.1:9/")
    assert "does not answer" in said
    assert found == ""


def test_pytorch_for_a_gpu_is_left_to_the_ordinary_index(tmp_path):
    assert make_torch(tmp_path, "TORCH=cuda") == ("", "")


def test_torch_is_pinned_to_the_one_version():
    assert "torch==2.13.0" in PROJECT["dependencies"]
    assert LOCKED["torch"] == "2.13.0"


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
    rows = re.findall(r"^\| (\[?`.+?) \|", readme, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == studies
    scores = pd.read_csv(ROOT / "reports/gtzan_mel_dev/tables/09_all_scores.csv")
    reached = scores.loc[scores["system"] == "mel_svm", "accuracy"]
    claims = pd.read_csv(ROOT / "reports/demo/tables/09_claims.csv")["claimed"]
    percents = {f"{100 * share:.3g}" for share in [*reached, *claims.dropna()]}
    assert set(re.findall(r"(\d+(?:\.\d+)?) %", readme)) <= percents
    assert len(readme.split()) <= 600


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
