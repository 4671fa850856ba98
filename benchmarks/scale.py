"""What a track costs in a small corpus and in one of the size of FMA: the same.

    python benchmarks/scale.py [--tracks 106574] [--folder FOLDER]

Simulated is only what is decoded: a slice of noise with the colour of its genre, as a log-mel of
3 s. All else is the study's own: tracks table, a part per track, the store and its extension,
folds by artist, a network trained for an epoch on batches that are read from the store, its
predictions, and two processes that read all tracks in an order of their own.

Times are processor seconds, which other work on the machine disturbs less, and those of the clock;
the smallest corpus counts as the median of three. Needs about 75 kB of disk per track meanwhile.
"""

import argparse
import hashlib
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from genrelib import corpora, experiments, store
from genrelib.base.files import Workspace
from genrelib.base.seeds import rng
from genrelib.corpora import Corpus
from genrelib.experiments import planning as fits
from genrelib.features import FEATURES, n_frames
from genrelib.store import Store, stored
from genrelib.store import building as parts
from genrelib.store.building import Request

FMA = 106_574
SMALLER = (1000, 10_000)
REPEATED = 3
CLIP_S = 3.0
TRACKS_PER_ARTIST = 6.5  # as in FMA
SHAPE = FEATURES["log_mel"].n_bands, n_frames(CLIP_S)
NOISE = rng(0, "noise").normal(-40, 10, 2**20).astype(np.float32)
GENRES = [f"genre {number:02}" for number in range(16)]
COLOURS = dict(zip(GENRES, rng(0, "colours").normal(0, 3, (16, SHAPE[0], 1)), strict=True))
GOAL, GOAL_GB = 1.1, 1.5
SETTINGS = {"n_folds": 5, "n_repeats": 1, "seed": 0, "image_size": (64, 128)}


def simulated(_data: Path, *, n_jobs: int, n_tracks: int) -> tuple[pd.DataFrame, list[str]]:
    """Load the index of the simulated corpus, as the loaders of :mod:`genrelib.corpora` do."""
    draw = rng(0, "index", n_tracks)
    weights = draw.exponential(size=round(n_tracks / TRACKS_PER_ARTIST))
    artist = draw.choice(len(weights), n_tracks, p=weights / weights.sum())
    genre = np.array(GENRES)[artist % len(GENRES)]
    ids = [f"{number:06}" for number in range(n_tracks)]
    names = [f"artist {number:05}" for number in artist]
    index = pd.DataFrame(
        {
            "genre": genre,
            "artist": names,
            "title": "",
            "path": [f"/simulated/{g}/{i}.mp3" for g, i in zip(genre, ids, strict=True)],
            "duration_s": 30.0,
            "group": names,
            "exclude": "",
            "official_split": "",
            "md5": [hashlib.md5(i.encode()).hexdigest() for i in ids],
        },
        index=ids,
    )
    return index, []


def decoded(request: Request, path: str) -> dict[str, np.ndarray]:
    """Stand in for reading audio and computing features."""
    start = int(request.md5[:8], 16) % (len(NOISE) - SHAPE[0] * SHAPE[1])
    noise = NOISE[start : start + SHAPE[0] * SHAPE[1]].reshape(SHAPE)
    return {"log_mel": stored("log_mel", noise + COLOURS[Path(path).parent.name])}


def index_of(n_tracks: int) -> Corpus:
    with mock.patch.dict(corpora.CORPORA, simulated=corpora.Collection(simulated, ("own",))):
        corpus = corpora.load("simulated", Path(), n_tracks=n_tracks)
    assert corpus.fingerprint
    return corpus


def build(corpus: Corpus, path: Path) -> Store:
    with mock.patch.object(parts, "_extracted", decoded):
        return store.open_store(store.build(corpus, ["log_mel"], path, clip_s=CLIP_S, n_jobs=1))


def plan(corpus: Corpus, features: Store, folder: Path) -> fits.Fit:
    workspace = Workspace("scale", folder)
    arguments = corpus, features, workspace
    found = fits.plan(["ann"], ["artist_grouped"], *arguments, **SETTINGS, epoch_share=0.01)
    return fits.kept(found)[0]


def train(fit: fits.Fit, corpus: Corpus, features: Store) -> None:
    done = experiments.run([replace(fit, streamed=True)], corpus, features, n_jobs=1)
    assert done == {"fitted": 1, "kept": 0}


def read(features: Store, seed: int) -> tuple[float, float, float]:
    """Read every track once, out of order; return processor and clock seconds, and the peak GB."""
    ids = rng(seed, "order").permutation(features.track_ids)
    features.read("log_mel", ids[:1])  # opens the file
    cpu, clock = time.process_time(), time.perf_counter()
    for start in range(0, len(ids), 32):
        features.read("log_mel", ids[start : start + 32])
    return time.process_time() - cpu, time.perf_counter() - clock, peak_gb()


def peak_gb() -> float:
    """Return the most memory that this process has held, in GB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


class Costs:
    """Processor and clock seconds of each stage, and memory of the processes that read."""

    def __init__(self):
        self.seconds: dict[str, tuple[float, float]] = {}
        self.readers_gb = 0.0

    def of(self, stage: str, function: Callable, *args) -> object:
        """Call a function, and note what it costs."""
        cpu, clock = time.process_time(), time.perf_counter()
        result = function(*args)
        self.seconds[stage] = time.process_time() - cpu, time.perf_counter() - clock
        return result

    def of_readers(self, features: Store) -> None:
        """Two processes read at once; their means count, so that starting them does not."""
        told = Parallel(n_jobs=2)(delayed(read)(features, seed) for seed in (1, 2))
        cpu, clock, gb = np.array(told).T
        self.seconds["reading by 2"] = cpu.mean(), clock.mean()
        self.readers_gb = gb.max()


def run(n_tracks: int, parent: Path) -> Costs:
    """Take a corpus of so many tracks through all stages."""
    costs = Costs()
    with tempfile.TemporaryDirectory(dir=parent) as name:
        folder = Path(name)
        path = folder / "store.h5"
        corpus = costs.of("index", index_of, n_tracks)
        most = replace(corpus, tracks=corpus.tracks.iloc[: -max(1, n_tracks // 100)])
        costs.of("store", build, most, path)
        features = costs.of("1 % more", build, corpus, path)
        fit = costs.of("folds, plan", plan, corpus, features, folder)
        costs.of("training", train, fit, corpus, features)
        costs.of_readers(features)
        print(
            f"{n_tracks} tracks: {path.stat().st_size / 1e9:.2f} GB; the study would "
            f"{'stream' if fit.streamed else 'hold'} the training part",
            flush=True,
        )
    return costs


def median(several: list[Costs]) -> Costs:
    middle = several[0]
    for stage in middle.seconds:
        middle.seconds[stage] = tuple(np.median([c.seconds[stage] for c in several], axis=0))
    return middle


def report(costs: dict[int, Costs]) -> None:
    for place, kind in enumerate(("processor", "clock")):
        table = pd.DataFrame(
            {
                f"{n:,}": {stage: 1e6 * t[place] / n for stage, t in c.seconds.items()}
                for n, c in costs.items()
            }
        )
        table.loc["all"] = table.sum()
        table["largest / smallest"] = table.max(axis=1) / table.min(axis=1)
        print(f"\nmicroseconds of {kind} time per track\n{table.round(2).to_string()}")
        goal = f" (goal: at most {GOAL})" if kind == "processor" else ""
        print(f"{kind} time per track: {table.iloc[-1, -1]:.3f} times at most{goal}")
        sizes = np.array(list(costs))
        further = np.diff(table.loc["all"].iloc[:-1] * sizes) / np.diff(sizes)
        print(f"each further track, without what is done once: {further.round(1).tolist()}")
    readers = max(c.readers_gb for c in costs.values())
    print(f"\npeak memory: {peak_gb():.2f} GB, of a reading process {readers:.2f} GB "
          f"(goal: at most {GOAL_GB} GB)")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tracks", type=int, default=FMA, help="of the largest corpus")
    parser.add_argument("--folder", type=Path, help="where the disk has room")
    asked = parser.parse_args()
    run(300, asked.folder)  # warms up
    costs = {}
    for n_tracks in [*(n for n in SMALLER if n < asked.tracks), asked.tracks]:
        repeated = REPEATED if n_tracks == SMALLER[0] else 1
        costs[n_tracks] = median([run(n_tracks, asked.folder) for _ in range(repeated)])
    report(costs)


if __name__ == "__main__":
    main()
