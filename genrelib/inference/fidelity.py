"""Fidelity: whether a rerun is near enough to its source that a verdict on the claim is fair.

A network that was stopped while its loss still fell, pictures a fraction of the source's, or half
its music: what such a rerun reaches says little of the claim. The verdict is then withheld, with
the reason. Everything is read from the records of the fits.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from ..systems.training import PATIENCE, SMOOTHED

EPOCHS = {"002_852f636f69ccd60c": 100}
"""Epochs that a source names: so many are enough, converged or not."""

PICTURES = {"004_dfb2f7ed32dc8353": (418, 627)}
"""Bands and frames of the pictures that a source names."""

LEAST_PICTURE = 0.25
"""Share of the source's pixels below which a verdict is withheld."""

N_GTZAN, LEAST_TRACKS = 1000, 0.5
"""Tracks of GTZAN, and the share of them below which a verdict is withheld."""

CONVERGENCE = ["system", "protocol", "repeat", "fold", "seed", "n_train", "n_epochs", "cap"]
CONVERGENCE += ["hit_cap", "lowest"]
CONVERGENCE += [f"{n}_{at}" for at in ("lowest", "last") for n in ("train_loss", "valid_loss")]
CONVERGENCE += ["converged"]


def convergence(records: pd.DataFrame) -> pd.DataFrame:
    """Say of each fit of a network how far its training went.

    One row per fit: ``n_train`` examples; ``n_epochs`` run, of which the last is kept, of at most
    ``cap``, and ``hit_cap``; the epoch with the ``lowest`` smoothed validation loss; training and
    validation loss (nats) at that and at the last epoch; and ``converged``, whether the lowest was
    at least :data:`.PATIENCE` epochs before the end. Empty without a network.
    """
    lines = []
    for record in records.to_dict("records"):
        curve = pd.DataFrame(record["curve"])
        if curve.empty:
            continue
        losses = curve["valid_loss"].astype(float)
        smoothed = losses.rolling(SMOOTHED, min_periods=1).mean()
        lowest = int(smoothed.idxmin()) + 1 if smoothed.notna().any() else len(curve)
        caps = [int(v) for k, v in record["recipe"].items() if k.endswith("max_epochs")]
        line = {"n_epochs": len(curve), "cap": max(caps), "hit_cap": len(curve) >= max(caps)}
        line |= {"lowest": lowest, "converged": len(curve) - lowest >= PATIENCE}
        for at, row in (("lowest", curve.iloc[int(lowest) - 1]), ("last", curve.iloc[-1])):
            line |= {f"{n}_{at}": row[n] for n in ("train_loss", "valid_loss")}
        lines.append({name: record.get(name, 0) for name in CONVERGENCE[:6]} | line)
    return pd.DataFrame(lines, columns=CONVERGENCE)


def withheld(systems: Iterable, records: pd.DataFrame, trained: pd.DataFrame) -> dict[str, str]:
    """Return the reasons to withhold the verdict on a system's claim, by its name.

    `systems` are rows of the registry; `trained` is from :func:`convergence`. What counts are the
    fits under the source's split. A system without a reason is not named.
    """
    found = {}
    for system in systems:
        own, fits = (
            table[(table["system"] == system.name) & (table["protocol"] == system.split)]
            for table in (records, trained)
        )
        if own.empty:
            continue
        reasons = [*_tracks(own), *_epochs(fits, EPOCHS.get(system.source))]
        reasons += _picture(own, PICTURES.get(system.source))
        if reasons:
            found[system.name] = "; ".join(reasons)
    return found


def _tracks(records):
    n_tracks = int(records[["n_train", "n_valid", "n_test"]].sum(axis="columns").max())
    if n_tracks < LEAST_TRACKS * N_GTZAN:
        yield f"{n_tracks} tracks, where GTZAN has {N_GTZAN}"


def _epochs(fits, stated):
    is_short = ~fits["converged"].astype(bool)
    if stated:
        is_short &= fits["n_epochs"] < stated
    if is_short.any():
        least, most = fits.loc[is_short, "n_epochs"].agg(["min", "max"])
        epochs = f"{least}" if least == most else f"{least} to {most}"
        named = f", of the {stated} that the source names" if stated else ""
        yield (
            f"{is_short.sum()} of {len(fits)} fits ended before the validation loss had settled, "
            f"after {epochs} epochs{named}"
        )


def _picture(records, stated):
    shapes = [shape for shape in records["input_shape"] if np.size(shape) == 2]
    if stated and shapes and np.prod(shapes[0]) < LEAST_PICTURE * np.prod(stated):
        seen, said = (" x ".join(map(str, size)) for size in (shapes[0], stated))
        yield f"pictures of {seen}, the source's have {said}"
