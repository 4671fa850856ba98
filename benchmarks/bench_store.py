"""Reading the store out of order against reading a plain array file, by np.memmap.

Both files hold the same float16 log-mels and give float32; they lie in the system's cache, so what
is compared is the processor time of finding and copying, not the disk. They take turns; of each the
least of several rounds counts, which other work on the machine disturbs least.
"""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from measuring import Figure, least_seconds

from genrelib import features
from genrelib.base.seeds import rng
from genrelib.store import DTYPE, open_store
from genrelib.store.file import STATE, write

GOAL = 2.0
SIZES = {3.0: 3000, 30.0: 300}  # tracks of so many seconds
BATCH = 32
ROUNDS = 7


def write_both(folder: Path, clip_s: float, n_tracks: int) -> None:
    """Write a store, and a plain file of the same values."""
    shape = features.FEATURES["log_mel"].n_bands, features.n_frames(clip_s)
    noise = rng(0, "noise").normal(-40, 10, shape).astype(DTYPE)
    ids = [f"{number:05}" for number in range(n_tracks)]
    plain = np.lib.format.open_memmap(folder / "plain.npy", "w+", DTYPE, (n_tracks, *shape))
    for number in range(n_tracks):
        plain[number] = noise + DTYPE.type(number % 7)
    table = pd.DataFrame("", index=ids, columns=[*STATE, "log_mel"], dtype=str)
    table["log_mel"] = ids
    write(
        folder / "store.h5",
        table.rename_axis("track_id"),
        lambda track_id: {"log_mel": plain[int(track_id)]},
        n_frames=shape[1],
        configuration=features.configuration(clip_s),
        attributes={"corpus": "noise", "corpus_fingerprint": ""},
    )


def read_in_batches(function: Callable[[np.ndarray], np.ndarray], order: np.ndarray) -> None:
    for start in range(0, len(order), BATCH):
        function(order[start : start + BATCH])


def figure_of(clip_s: float, n_tracks: int, *, rounds: int = ROUNDS) -> Figure:
    with tempfile.TemporaryDirectory() as name:
        write_both(Path(name), clip_s, n_tracks)
        store = open_store(Path(name) / "store.h5")
        ids = np.array(store.track_ids, dtype=object)
        plain = np.load(Path(name) / "plain.npy", mmap_mode="r")
        ways = (
            lambda batch: store.read("log_mel", ids[batch]),
            lambda batch: plain[batch].astype(np.float32),
        )
        order = rng(0, "order").permutation(n_tracks)
        assert np.array_equal(ways[0](order[:BATCH]), ways[1](order[:BATCH]))
        functions = [partial(read_in_batches, way) for way in ways]
        ours, bare = least_seconds(functions, [order], rounds=rounds)
        return Figure(
            f"reading the store out of order, clips of {clip_s:g} s: times a plain array file",
            ours / bare,
            GOAL,
            "less",
            f"{1e6 * ours / n_tracks:.0f} against {1e6 * bare / n_tracks:.0f} us a track",
        )


def figures() -> Iterator[Figure]:
    for clip_s, n_tracks in SIZES.items():
        yield figure_of(clip_s, n_tracks)
