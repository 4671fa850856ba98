"""Where attributions lie: in the cells of the drums, the bass, the chords or the melody."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from ..base.seeds import derive
from ..features import SR, Spectra
from ..features.compiled import librosa
from ..features.segments import averaged
from ..inference import means
from ..robustness.row import FLOOR_DB
from ..robustness.variants import controlled_variants
from ..synthesis.recordings import Recording
from .attributions import Explainer
from .causes import PARTS, without

SOURCES = (*PARTS, "background")
"""What a cell can be owed to: a cause that is played, or noise and what is below the floor."""

N_UNTRAINED = 2

_QUIET_DB = -60.0  # the limiter does nothing to a recording at this level


def stems(recording: Recording) -> dict[str, np.ndarray]:
    """Take a recording of the controlled corpus apart into what is heard of each cause.

    Production is linear but for the limiter at its end, so that a recording far below the
    limiter's reach is the sum of its stems, each with its share of room and equaliser.

    Parameters
    ----------
    recording : Recording
        Healthy.

    Returns
    -------
    dict of str to np.ndarray [shape=(n_samples,), dtype=float64]
        A sound for each of :data:`SOURCES`; the background is the recording's noise. Silent for a
        part that is not played. All on the scale of a recording at -60 dB.
    """
    noisy = replace(recording.artist, loudness_db=_QUIET_DB)
    clean = replace(noisy, noise_db=-np.inf)
    every = [part for parts in PARTS.values() for part in parts]
    alone = np.stack(
        [_sound(recording, without(clean, set(every) - set(parts))) for parts in PARTS.values()]
    )
    whole = _sound(recording, clean)
    # each rendering is brought to one loudness: how loud the stems are in the mix must be found
    gains = np.linalg.lstsq(alone.T, whole, rcond=None)[0]
    found = dict(zip(PARTS, gains[:, None] * alone, strict=True))
    return found | {"background": _sound(recording, noisy) - whole}


def _sound(recording, artist) -> np.ndarray:
    return replace(recording, artist=artist).sound().astype(np.float64)


def dominant(
    track_ids: Iterable[str], options: Mapping[str, object], shape: tuple[int, int]
) -> np.ndarray:
    """Tell for each cell of a log-mel which source is the loudest there.

    Parameters
    ----------
    track_ids : iterable of str
        Tracks of the controlled corpus whose ``fault`` is empty.
    options : mapping
        With which the corpus ``synthetic`` was loaded.
    shape : (int, int)
        Bands and frames to which the log-mel is averaged.

    Returns
    -------
    np.ndarray of int, shape (n_tracks, *shape)
        Positions in :data:`SOURCES`. Cells below the log-mel's floor belong to the background.
    """
    variants = controlled_variants(track_ids, kinds=["unchanged"], **options)
    return np.stack([_dominant(variant.recording, shape) for variant in variants])


def _dominant(recording: Recording, shape: tuple[int, int]) -> np.ndarray:
    heard = stems(recording)
    whole = _mel_power(sum(heard.values()))
    powers = [averaged(_mel_power(y), *shape) for y in heard.values()]
    found = np.argmax(powers, axis=0)
    floor = 10 ** (FLOOR_DB / 10) * whole.max()
    return np.where(averaged(whole, *shape) > floor, found, len(SOURCES) - 1)


def _mel_power(y: np.ndarray) -> np.ndarray:
    return librosa.feature.melspectrogram(S=Spectra(y.astype(np.float32)).power, sr=SR)


def located(
    explainer: Explainer,
    X: np.ndarray,
    sources: np.ndarray,
    track_ids: Sequence[str],
    *,
    seed: int,
) -> pd.DataFrame:
    """Measure how much of the attributions lies in the cells of each source.

    A source has more of them for being heard in more cells, and for being far from the baseline
    there, whatever the network has learnt. So the share is compared with that under the same
    network before training: the mean over :data:`N_UNTRAINED` draws of its weights.

    Parameters
    ----------
    explainer : Explainer
        Asked, by integrated gradients, about the genre that it predicts.
    X : np.ndarray, shape (n_tracks, n_bands, n_frames)
        Features.
    sources : np.ndarray of int, shape of `X`
        From :func:`dominant`.
    track_ids : sequence of str
        Of the rows of `X`.
    seed : int
        Of the untrained networks.

    Returns
    -------
    pd.DataFrame
        One row per track and source that has a cell: ``track_id, source``; shares of the track's
        ``cells``, of the amounts of its attributions (``share``), and of those by the untrained
        network (``untrained``); ``excess``, the first of these less the second. For
        :func:`attention`.
    """
    targets = explainer.predicted(X)
    shares = _shares(explainer, X, targets, sources)
    untrained = np.mean(
        [
            _shares(explainer.randomised(seed=derive(seed, "untrained", n)), X, targets, sources)
            for n in range(N_UNTRAINED)
        ],
        axis=0,
    )
    cells = _split(np.ones(X.shape), sources)
    return pd.DataFrame(
        [
            {
                "track_id": track_id,
                "source": source,
                "cells": cells[row, column],
                "share": shares[row, column],
                "untrained": untrained[row, column],
                "excess": shares[row, column] - untrained[row, column],
            }
            for column, source in enumerate(SOURCES)
            for row, track_id in enumerate(track_ids)
            if cells[row, column]
        ]
    )


def attention(rows: pd.DataFrame, groups: pd.Series, *, seed: int) -> pd.DataFrame:
    """Average over tracks which sources attributions lie in.

    Parameters
    ----------
    rows : pd.DataFrame
        From :func:`located`.
    groups : pd.Series, index track_id
        What must stay together when tracks are resampled.
    seed : int
        The study's seed.

    Returns
    -------
    pd.DataFrame
        One row per source: ``source, n_tracks, cells, share, untrained, excess``, and the 95 %
        interval ``low, high`` of the excess.
    """
    shares = rows.groupby("source", sort=False)[["cells", "share", "untrained"]].mean()
    table = means(rows, ["source"], "excess", groups, seed=seed)
    return table[["source", "n_tracks"]].join(shares, on="source").join(table.iloc[:, 2:])


def _shares(explainer, X, targets, sources) -> np.ndarray:
    return _split(np.abs(explainer.attribute("integrated_gradients", X, targets)), sources)


def _split(amounts: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Return the share of each track's amounts in each source, shape (n_tracks, n_sources)."""
    found = np.stack([(amounts * (sources == n)).sum(axis=(1, 2)) for n in range(len(SOURCES))], 1)
    total = found.sum(axis=1, keepdims=True)
    return found / np.where(total > 0, total, 1)
