"""Reading the store out of order against reading a plain array file, by np.memmap.

    python benchmarks/bench_store.py

Both files hold the same float16 log-mels and give float32; they lie in the system's cache, so what
is compared is the processor time of finding and copying, not the disk. They take turns; of each the
least of several rounds counts, which other work on the machine disturbs least.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from genrelib import features
from genrelib.seeds import rng
from genrelib.store import open_store
from genrelib.storefile import DTYPE, STATE, write

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


def seconds(function: Callable[[np.ndarray], np.ndarray], order: np.ndarray) -> float:
    """Return the processor seconds of reading all tracks, batch by batch."""
    started = time.process_time()
    for start in range(0, len(order), BATCH):
        function(order[start : start + BATCH])
    return time.process_time() - started


def main() -> None:
    for clip_s, n_tracks in SIZES.items():
        with tempfile.TemporaryDirectory() as name:
            write_both(Path(name), clip_s, n_tracks)
            store = open_store(Path(name) / "store.h5")
            ids = np.array(store.track_ids, dtype=object)
            plain = np.load(Path(name) / "plain.npy", mmap_mode="r")
            ways = (
                lambda batch, store=store, ids=ids: store.read("log_mel", ids[batch]),
                lambda batch, plain=plain: plain[batch].astype(np.float32),
            )
            order = rng(0, "order").permutation(n_tracks)
            assert np.array_equal(ways[0](order[:BATCH]), ways[1](order[:BATCH]))
            times = [[seconds(way, order) for way in ways] for _ in range(ROUNDS)]
            ours, bare = np.min(times, axis=0)
            print(
                f"store out of order, {clip_s:g} s: {ours / bare:.2f} times a plain array file "
                f"(goal: at most {GOAL}); {1e6 * ours / n_tracks:.0f} microseconds a track"
            )


if __name__ == "__main__":
    main()
