"""One recording in two tracks: duplicates and excerpts, from log-mel spectrograms or equal files.

All pairs of tracks are aligned at all offsets by cross-correlation, in the frequency domain. What
correlates must be particular to a recording, not common to a style: so of each band its running
mean is taken away, then the mean over bands, and the modulation spectrum is made flatter (half-way
to the phase correlation of image registration, Kuglin & Hines 1975), or any rhythm that repeats
would look alike.
"""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import scipy.fft
from scipy.ndimage import uniform_filter1d

from ..corpora import Corpus
from ..store import Store
from .audit import gathered, table
from .tracks import silences, sounding

MIN_OVERLAP_S = 1.8  # shorter overlaps are not looked at

LEAST, CHANCE = 0.44, 0.35
"""A pair is found when its correlation reaches ``LEAST + CHANCE / sqrt(overlap in seconds)``: what
correlates by chance shrinks with the root of the overlap."""

SAME, SAME_PER_S = 0.80, 6.5
"""From the correlation :data:`SAME` on the sound itself is the same. Below, only the performance
is: another transfer of the recording, or another take that is played alike. The further apart
frames are, the worse those of equal sound meet: so it falls by :data:`SAME_PER_S` for each second
by which steps exceed 46 ms."""

SAME_DB = 0.05  # mean difference, in dB, below which two spectrograms are one: rounding on disk
_BANDS = 64
_STEP_S = 0.046
_FINE = 2  # offsets per step: between steps, equal sound would correlate far less
_TREND_S = 1.0
_LIMIT = 3.0  # in standard deviations: one loud stroke must not decide
_TILE = 64  # tracks: their product stays in the processor's cache


def features_of(corpus: Corpus) -> list[str]:
    """Return the features that :func:`pairs` reads, as far as the corpus has them."""
    return [name for name in ("log_mel",) if not corpus.lacks(name)]


def pairs(corpus: Corpus, features: Store) -> pd.DataFrame:
    """Find tracks that are copies, excerpts or near versions of others.

    The usable tracks whose features did not fail are compared. Equal md5s of files are reported
    too; without log-mel, nothing else. Where there is no audio to listen to, silent ends are found
    here. `features` holds :func:`features_of` the corpus.
    """
    usable = corpus.without(features.failures["reason"]).usable
    ids, found = list(usable.index), [copies(usable)]
    if ids and not corpus.lacks("log_mel"):
        log_mel = features.read("log_mel", ids, size=(_BANDS, None))
        found.append(recordings(log_mel, ids, frame_s=features.frame_s))
        if corpus.pack is not None:
            found.append(silences(log_mel, ids, frame_s=features.frame_s))
    return gathered(*found)


def copies(tracks: pd.DataFrame) -> pd.DataFrame:
    """Find files of equal content: each further copy is a `duplicate` of the first by name."""
    ids = tracks.index[tracks["md5"] != ""]
    first = pd.Series(ids, ids).groupby(tracks.loc[ids, "md5"]).transform("min")
    return table(
        (track, original, "duplicate", 1.0, f"equal md5 {tracks.loc[track, 'md5']}")
        for track, original in first.items()
        if track != original
    )


def recordings(log_mel: np.ndarray, track_ids: Sequence[str], *, frame_s: float) -> pd.DataFrame:
    """Find pairs of tracks that hold the same recording.

    `log_mel`, shape ``(n_tracks, n_bands, n_frames)``, is in dB; at least 64 bands are best, and
    frames of 10 to 100 ms. Time and memory are those of all pairs: of 700 tracks of 30 s, some
    250,000 pairs at 800 offsets.

    A finding is a `duplicate` when the spectrograms are the same within :data:`SAME_DB`; an
    `excerpt` when they share a recording, from another start or in another copy; a `version` when
    what they share is played alike but sounds different. `score` is the correlation at the best
    offset, at most 1.

    >>> noise = np.random.default_rng(0).normal(size=(2, 64, 300))
    >>> noise[1, :, :200] = noise[0, :, 100:]
    >>> recordings(10 * noise, ["a", "b"], frame_s=0.07)["evidence"].tolist()
    ['begins 7.0 s into a; correlation 1.00 over 14.0 s']
    """
    prints, sounding, step_s = _fingerprints(np.asarray(log_mel, dtype=np.float32), frame_s)
    same = SAME - SAME_PER_S * max(0.0, step_s - _STEP_S)
    rows = []
    for i, j, score, lag_s, overlap_s in _aligned(prints, sounding, step_s):
        one, two = track_ids[i], track_ids[j]
        apart_db = float(np.mean(np.abs(log_mel[i] - log_mel[j])))
        if apart_db <= SAME_DB:
            text = f"spectrograms differ by {apart_db:.2f} dB on average"
            rows.append((one, two, "duplicate", 1.0, text))
            continue
        kind = "excerpt" if score >= same else "version"
        # the later name is the one that is spoken of, as in every table of findings
        later_s = lag_s if one < two else -lag_s
        start = f"begins {abs(lag_s):.1f} s {'into' if later_s > 0 else 'before'}"
        if abs(lag_s) < step_s:
            start = "from the same start as"
        text = f"{start} {min(one, two)}; correlation {score:.2f} over {overlap_s:.1f} s"
        rows.append((one, two, kind, min(score, 1.0), text))
    return table(rows)


def _fingerprints(log_mel: np.ndarray, frame_s: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Return what identifies each recording: (n, bands, steps), where it sounds, and the step."""
    pooled = max(1, round(_STEP_S / frame_s))
    n, bands, frames = log_mel.shape
    steps, per_band = frames // pooled, max(1, bands // _BANDS)
    y = log_mel[:, : bands // per_band * per_band, : steps * pooled]
    y = y.reshape(n, bands // per_band, per_band, steps, pooled).mean(axis=(2, 4))
    on = sounding(log_mel)[:, : steps * pooled].reshape(n, steps, pooled).all(axis=2)[:, None]
    step_s = pooled * frame_s
    width = max(3, round(_TREND_S / step_s)) | 1
    share = np.maximum(uniform_filter1d(on.astype(np.float32), width, mode="constant"), 1e-6)
    y = (y - uniform_filter1d(y * on, width, mode="constant") / share) * on
    y -= y.mean(axis=1, keepdims=True)
    deviation = np.sqrt(np.mean(y**2, axis=2, keepdims=True)) + 1e-6
    y = _flattened(np.clip(y / deviation, -_LIMIT, _LIMIT)) * on
    energy = np.sqrt(np.sum(y**2, axis=(1, 2)) / np.maximum(on.sum(axis=(1, 2)), 1)) + 1e-9
    return (y / energy[:, None, None]).astype(np.float32), on[:, 0], step_s


def _flattened(y: np.ndarray) -> np.ndarray:
    """Bring the modulation frequencies of a track, bands taken together, nearer to one power."""
    n_fft = scipy.fft.next_fast_len(2 * y.shape[2], real=True)
    spectrum = scipy.fft.rfft(y, n_fft, axis=2)
    power = uniform_filter1d(np.mean(np.abs(spectrum) ** 2, axis=1, keepdims=True), 3, axis=2)
    power += 0.01 * power.mean(axis=2, keepdims=True) + 1e-12
    # to its root: if wholly flat, what two short excerpts share drowns in what they don't
    return scipy.fft.irfft(spectrum / power**0.25, n_fft, axis=2)[:, :, : y.shape[2]]


def _aligned(
    prints: np.ndarray, on: np.ndarray, step_s: float
) -> Iterator[tuple[int, int, float, float, float]]:
    """Yield ``i, j, correlation, offset, overlap`` of each pair found, the latter in seconds."""
    n, _, steps = prints.shape
    n_fft = scipy.fft.next_fast_len(2 * steps, real=True)
    spectra = np.ascontiguousarray(scipy.fft.rfft(prints, n_fft, axis=2).conj().transpose(2, 1, 0))
    half = n_fft * _FINE // 2
    lags = ((np.arange(n_fft * _FINE) + half) % (n_fft * _FINE) - half) / _FINE
    nearest = np.rint(lags).astype(int)
    least = max(2, int(MIN_OVERLAP_S / step_s))
    most = np.maximum(steps - np.abs(nearest), 0)
    length = _over(on.astype(float), nearest)
    energy = _over(np.sum(prints.astype(float) ** 2, axis=1), nearest)
    # where there is little sound, its correlation means little
    one, two = (
        np.where(most[:, None] < least, 0, 1 / np.sqrt(np.maximum(e, 0.25 * size + 1)))
        for e, size in zip(energy, length, strict=True)
    )
    one, two = (one * _FINE).astype(np.float32), two.astype(np.float32)
    hopeful = _threshold(most, step_s).astype(np.float32)[:, None, None]
    tiles = [slice(start, start + _TILE) for start in range(0, n, _TILE)]
    for mine, theirs in itertools.combinations_with_replacement(tiles, 2):
        here = spectra[:, :, mine].conj().transpose(0, 2, 1)
        # lag l: step t + l of the one is step t of the other
        r = scipy.fft.irfft(np.matmul(here, spectra[:, :, theirs]), n_fft * _FINE, axis=0)
        r *= one[:, mine, None]
        r *= two[:, None, theirs]
        for a, b in np.argwhere((r >= hopeful).any(axis=0)):
            i, j = mine.start + a, theirs.start + b
            if i >= j:
                continue
            overlap = np.minimum(length[0][:, i], length[1][:, j])
            margin = np.where(overlap < least, -1, r[:, a, b] - _threshold(overlap, step_s))
            k = margin.argmax()
            if margin[k] >= 0:
                yield i, j, float(r[k, a, b]), float(lags[k] * step_s), float(overlap[k] * step_s)


def _threshold(overlap: np.ndarray, step_s: float) -> np.ndarray:
    """Return the least correlation that counts, for an overlap in steps."""
    return LEAST + CHANCE / np.sqrt(np.maximum(overlap, 1) * step_s)


def _over(values: np.ndarray, lags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum `values` (n, steps) over what overlaps, (lags, n): of the one and of the other."""
    n, steps = values.shape
    sums = np.concatenate([np.zeros((n, 1)), np.cumsum(values, axis=1)], axis=1)
    ends = np.clip([steps + lags, lags, steps - lags, -lags], 0, steps)
    return (sums[:, ends[0]] - sums[:, ends[1]]).T, (sums[:, ends[2]] - sums[:, ends[3]]).T
