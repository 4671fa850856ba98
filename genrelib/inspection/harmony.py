"""One song in two recordings: covers and other takes, found by their harmony.

What two versions share is the course of harmony, in another key and tempo perhaps. First the
magnitude of the two-dimensional Fourier transform of the chroma, which neither key nor offset
changes, names each track's likeliest partners [1]_. Then these pairs are correlated at every
offset, in all twelve keys and at several tempi [2]_.

.. [1] T. Bertin-Mahieux, D. P. W. Ellis, "Large-scale cover song recognition using the 2D Fourier
   transform magnitude", ISMIR 2012.
.. [2] D. P. W. Ellis, G. E. Poliner, "Identifying 'cover songs' with chroma features and dynamic
   programming beat tracking", ICASSP 2007.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import scipy.fft
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

from ..features import SR
from ..features.compiled import librosa
from .audit import check_matrices, table

THRESHOLD = 0.66
"""Least correlation of a pair, in both chromas."""

MIN_OVERLAP_S = 6.0
"""Less music says too little of a song's harmony; nothing is found in shorter clips."""

TEMPI = (0.87, 0.9, 0.93, 0.96, 0.98, 1.0, 1.02, 1.04, 1.07, 1.1, 1.15)
"""How much slower the one may be than the other."""

_STEP_S = 0.16
_PARTNERS = 12
_LOWEST_HZ, _HIGHEST_HZ = 400.0, 5000.0  # below, mel bands are too far apart for semitones
_ENVELOPE_BANDS = 13
_PAIRS_AT_ONCE = 256


def versions(
    log_mel: np.ndarray, chroma: np.ndarray, track_ids: Sequence[str], *, frame_s: float
) -> pd.DataFrame:
    """Find pairs of tracks that are the same song.

    Recall is low: many versions share less harmony than unrelated songs of one style do by chance.
    So two witnesses must agree, the chroma of the sound and one made from its mel bands. The latter
    alone parts versions from other songs too badly to be offered.

    Parameters
    ----------
    log_mel : np.ndarray [shape=(n_tracks, 128, n_frames)]
        In dB, for audio at 22050 Hz; frames of 10 to 160 ms.
    chroma : np.ndarray [shape=(n_tracks, 12, n_frames)]
        Of the same frames.
    track_ids : sequence of str
        One per matrix.
    frame_s : float > 0
        Seconds per frame.

    Returns
    -------
    pd.DataFrame
        Findings of the fault `version`, copies of one recording among them; `score` is the least
        correlation of the chromas, at most 1. None where the tracks last less than
        :data:`MIN_OVERLAP_S`.
    """
    check_matrices(log_mel, track_ids, frame_s)
    check_matrices(chroma, track_ids, frame_s)
    witnesses = (np.asarray(chroma, dtype=np.float32), chroma_of(log_mel))
    courses = [_course(witness, frame_s) for witness in witnesses]
    step_s = max(1, round(_STEP_S / frame_s)) * frame_s
    least = int(MIN_OVERLAP_S / step_s)
    if len(track_ids) < 2 or courses[0].shape[2] < least:
        return table([])
    pairs = np.array(sorted(set().union(*map(_likely, courses))))
    (by_sound, key, tempo), (by_mel, _, _) = (_compared(c, pairs, least) for c in courses)
    scores = np.minimum(by_sound, by_mel)
    rows = []
    for k in np.flatnonzero(scores >= THRESHOLD):
        one, two = (track_ids[i] for i in pairs[k])
        text = f"the course of harmony of {min(one, two)}, correlation {scores[k]:.2f}"
        text += f"; {abs(key[k])} semitones apart, tempi {max(tempo[k], 1 / tempo[k]):.2f} : 1"
        rows.append((one, two, "version", min(float(scores[k]), 1.0), text))
    return table(rows)


def chroma_of(log_mel: np.ndarray) -> np.ndarray:
    """Make a chroma from mel bands, where these are less than a semitone wide.

    Parameters
    ----------
    log_mel : np.ndarray [shape=(n_tracks, 128, n_frames)]
        In dB, for audio at 22050 Hz.

    Returns
    -------
    np.ndarray [shape=(n_tracks, 12, n_frames), dtype=float32]
        Decibels by which the bands of a pitch class stand out of their neighbours, C first.
    """
    n_mels = log_mel.shape[1]
    hz = librosa.mel_frequencies(n_mels=n_mels + 2, fmin=0, fmax=SR / 2)[1:-1]
    used = (hz > _LOWEST_HZ) & (hz < _HIGHEST_HZ)
    pitch = librosa.hz_to_midi(frequencies=hz[used])
    apart = (pitch[None] - np.arange(12)[:, None] + 6) % 12 - 6
    weight = np.exp(-2 * apart**2)
    weight /= weight.sum(axis=1, keepdims=True)
    level = np.asarray(log_mel, dtype=np.float32)
    peaks = np.maximum(level - uniform_filter1d(level, _ENVELOPE_BANDS, axis=1), 0)
    return np.einsum("cb,nbt->nct", weight.astype(np.float32), peaks[:, used], optimize=True)


def _course(chroma: np.ndarray, frame_s: float) -> np.ndarray:
    """Return the course of harmony: chroma in steps, of unit length, without its means."""
    pooled = max(1, round(_STEP_S / frame_s))
    n, _, frames = chroma.shape
    steps = frames // pooled
    y = chroma[:, :, : steps * pooled].reshape(n, 12, steps, pooled).mean(axis=3)
    y = y / (np.linalg.norm(y, axis=1, keepdims=True) + 1e-3)
    y -= y.mean(axis=1, keepdims=True)
    return y - y.mean(axis=2, keepdims=True)


def _likely(y: np.ndarray) -> set[tuple[int, int]]:
    """Return each track's nearest partners by the 2-D Fourier magnitude, as pairs in order."""
    n, _, steps = y.shape
    # of a real input, pitch frequencies above the sixth mirror those below
    magnitude = np.abs(scipy.fft.fft(scipy.fft.rfft(y, 2 * steps, axis=2), axis=1)[:, :7])
    image = gaussian_filter1d(magnitude, 1.0, axis=2).reshape(n, -1)
    image -= image.mean(axis=0)
    image /= np.linalg.norm(image, axis=1, keepdims=True) + 1e-9
    alike = image @ image.T
    np.fill_diagonal(alike, -np.inf)
    partners = np.argsort(-alike, axis=1, kind="stable")[:, : min(_PARTNERS, n - 1)]
    return {(min(i, int(j)), max(i, int(j))) for i in range(n) for j in partners[i]}


def _compared(y: np.ndarray, pairs: np.ndarray, least: int) -> tuple[np.ndarray, ...]:
    """Return the best correlation of each pair, and the key and tempo that it is reached at."""
    steps = y.shape[2]
    n_fft = scipy.fft.next_fast_len(steps + round(steps * max(TEMPI)), real=True)
    mine, power = _spectrum(y, n_fft), _running_power(y)
    best = np.full(len(pairs), -1.0)
    key, tempo = np.zeros(len(pairs), dtype=int), np.ones(len(pairs))
    for ratio in TEMPI:
        slower = _stretched(y, ratio)
        theirs, their_power = _spectrum(slower, n_fft).conj(), _running_power(slower)
        n_other = slower.shape[2]
        lags = np.arange(-(n_other - least), steps - least + 1)
        first, last = np.maximum(0, lags), np.minimum(steps, lags + n_other)
        weight = np.sqrt(np.minimum(1, (last - first) / steps))  # chance is larger in less music
        for chunk in _chunks(len(pairs)):
            i, j = pairs[chunk].T
            crossed = scipy.fft.ifft(mine[i] * theirs[j], axis=1)
            r = scipy.fft.irfft(crossed, n_fft, axis=2)[..., lags]
            norm = power[i][:, last] - power[i][:, first]
            norm = norm * (their_power[j][:, last - lags] - their_power[j][:, first - lags])
            r = (r * weight / np.sqrt(np.maximum(norm, 1e-6))[:, None]).reshape(len(i), -1)
            top = r.argmax(axis=1)
            value = np.take_along_axis(r, top[:, None], axis=1)[:, 0]
            better = np.flatnonzero(value > best[chunk])
            where = chunk.start + better
            best[where], tempo[where] = value[better], ratio
            key[where] = (top[better] // len(lags) + 6) % 12 - 6
    return best, key, tempo


def _chunks(n: int) -> Iterator[slice]:
    return (slice(start, start + _PAIRS_AT_ONCE) for start in range(0, n, _PAIRS_AT_ONCE))


def _spectrum(y: np.ndarray, n_fft: int) -> np.ndarray:
    """Return the transform over time, then over pitch, whose product correlates in all keys."""
    return scipy.fft.fft(scipy.fft.rfft(y, n_fft, axis=2), axis=1)


def _running_power(y: np.ndarray) -> np.ndarray:
    return np.pad(np.cumsum(np.sum(y**2, axis=1), axis=1), ((0, 0), (1, 0)))


def _stretched(y: np.ndarray, ratio: float) -> np.ndarray:
    """Return `y` with `ratio` times as many steps, interpolated."""
    steps = y.shape[2]
    place = np.linspace(0, steps - 1, round(steps * ratio))
    left = np.minimum(place.astype(int), steps - 2)
    share = (place - left).astype(np.float32)
    return y[:, :, left] * (1 - share) + y[:, :, left + 1] * share
