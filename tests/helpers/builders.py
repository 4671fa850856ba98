"""Small corpora that need no audio, features that tell genres apart, copies of the project."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import yaml

from genrelib.base.seeds import rng
from genrelib.features import SR

ROOT = Path(__file__).parents[2]
GENRES = ("blues", "jazz", "metal", "rock")


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


def results(root: Path, name: str) -> dict[str, bytes]:
    """Return the bytes of tables, figures, executed notebooks and pages, but for the run's own."""
    report = root / "reports" / name
    pages = set(report.glob("*.html")) - {report / "run.html"}
    paths = [*report.glob("[tfns]*s/*"), *report.glob("predictions/**/*.csv.gz"), *pages]
    return {str(path.relative_to(report)): path.read_bytes() for path in sorted(paths)}
