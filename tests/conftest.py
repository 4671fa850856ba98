"""Small corpora that need no audio, a store with features that tell genres apart, small studies."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
import yaml
from threadpoolctl import threadpool_limits

from genrelib import corpora, store
from genrelib.base.files import Workspace
from genrelib.base.parallel import ONE_THREAD
from genrelib.base.seeds import rng
from genrelib.features import SR

# small matrices: threads only wait for each other, here and in the processes that tests start
torch.set_num_threads(1)
threadpool_limits(1)
os.environ.update(dict.fromkeys(ONE_THREAD, "1"))

ROOT = Path(__file__).parents[1]
GENRES = ("blues", "jazz", "metal", "rock")

# real music is tested where a mirror of the public downloads, and a pack, lie beside the checkout
for variable, folder in (("GENRELIB_MIRROR", "mirror"), ("GENRELIB_PACKS", "gtzan_mel")):
    if (ROOT.parent / "shared" / folder).is_dir():
        os.environ.setdefault(variable, str(ROOT.parent / "shared" / folder))


LONGEST = (
    "test_whole_studies.py",
    "test_fma_studies.py",
    "test_inference_simulations.py",
    "test_systems.py",
    "test_listed.py",
    "test_joined.py",
    "test_study.py",
)


def pytest_collection_modifyitems(items):
    """Start the longest files first: side by side, the files then end at about the same time."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONGEST)))


def make_tracks(n_artists=4, n_songs=3, genres=GENRES) -> pd.DataFrame:
    """Build a tracks table: artists of one genre each, every artist a group."""
    rows = [
        {
            "track_id": f"{genre}.{artist * n_songs + song:05d}",
            "genre": genre,
            "artist": f"{genre} artist {artist}",
            "title": f"song {song}",
            "path": f"/nowhere/{genre}/{artist}/{song}.wav",
            "duration_s": 30.0,
            "group": f"{genre} artist {artist}",
            "exclude": "",
            "official_split": "",
            "md5": f"{genre}{artist}{song}",
        }
        for genre in genres
        for artist in range(n_artists)
        for song in range(n_songs)
    ]
    return pd.DataFrame(rows).set_index("track_id").sort_index()


def make_features(labels, n_bands=87, n_frames=40, seed=0) -> np.ndarray:
    """Draw matrices whose band profile depends on the label: learnable, and not trivially so."""
    noise = rng(seed, "features").normal(size=(len(labels), n_bands, n_frames))
    profiles = rng(seed, "profiles").normal(size=(max(labels) + 1, n_bands, 1))
    return (noise + 1.5 * profiles[np.asarray(labels)]).astype(np.float32)


@pytest.fixture
def tracks() -> pd.DataFrame:
    return make_tracks()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace("trial", tmp_path)


def copied_project(folder: Path) -> Path:
    """Copy what a study needs beside the installed package."""
    for name in ("notebooks", "studies"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(".*"))
    return folder


def small_project(folder: Path, **own) -> Path:
    """Return a project with a study named small, of two systems, which takes some seconds."""
    root = copied_project(folder)
    smoke = yaml.safe_load((ROOT / "studies" / "smoke.yaml").read_text())
    text = yaml.safe_dump({**smoke, "systems": ["mel_svm", "nn"], "probed": [], **own})
    (root / "studies" / "small.yaml").write_text(text)
    return root


def run(root: Path, name: str, *arguments: str, **environment: str) -> None:
    """Run a study by the command that people use."""
    command = [sys.executable, "-m", "genrelib", "run", name, *arguments]
    done = subprocess.run(
        command,
        cwd=root,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def write_music(folder: Path, n_artists=4, n_songs=2, seconds=1.2, genres=GENRES) -> Path:
    """Write noise that each genre filters in its way, as ``<genre>/<artist>/<song>.wav``."""
    for number, genre in enumerate(genres):
        for artist in range(n_artists):
            for song in range(n_songs):
                path = folder / genre / f"{genre} artist {artist}" / f"{genre}-{artist}-{song}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                noise = rng(0, genre, artist, song).normal(size=int(seconds * SR))
                y = np.convolve(noise, np.ones(1 + 3 * number), mode="same")
                soundfile.write(path, 0.2 * y / np.abs(y).max(), SR)
    return folder


@pytest.fixture(scope="session")
def music(tmp_path_factory) -> corpora.Corpus:
    """Return a corpus of 32 real files of a second: four genres of four artists."""
    source = write_music(tmp_path_factory.mktemp("music"))
    return corpora.load("folder", tmp_path_factory.mktemp("data"), source=str(source))


@pytest.fixture(scope="session")
def features(music, tmp_path_factory) -> store.Store:
    """Return the feature store of `music`."""
    path = tmp_path_factory.mktemp("features") / "music.h5"
    return store.open_store(store.build(music, ["log_mel", "stack"], path, clip_s=1.0, n_jobs=1))
