"""Faults of one track: cut short, silent, clipped, resampled, of other format, labelled wrongly.

Facts are measured from each file, in parallel; :func:`signals` judges them. What is usual in the
corpus is its median or commonest value, so that a corpus of 8 kHz recordings is not all faults.
Labels are judged by the systems' predictions.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import uniform_filter1d
from scipy.signal import welch

from ..base.errors import GenrelibError
from ..corpora import Corpus
from ..corpora.tracks import for_each
from ..features import audio
from .audit import table

SHORT = 0.9  # a clip below this share of the usual duration is truncated
SILENCE_S = 1.0  # digital silence at an end is a fault from this on, or from half the track
CLIPPED = 0.001  # a track is distorted when this share of its samples lies on flat tops
NARROW = 0.8  # a bandwidth below this share of the usual one is a fault: resampled, or coded
_SILENT = 1e-4  # -80 dB re full scale: dither of 16 bits stays below
_SAME_VALUE = 2.0**-17  # half a step of 16 bits
_NOTHING_DB = -75.0  # re the strongest band
_CLIPS = 0.5  # share of tracks of the median duration from which on a corpus is of clips
_SILENCE_DB = 0.5  # above a track's least value


def facts(corpus: Corpus, *, n_jobs: int) -> pd.DataFrame:
    """Measure every track's sound, also of those that are excluded; of a feature pack, nothing.

    ``sr`` (Hz) and ``channels`` are as stored; ``head_s`` and ``tail_s`` digital silence at the
    ends; ``clipped`` is the share of samples on flat tops: three or more equal ones in a row, at
    half the track's peak or above; ``bandwidth_hz``, up to where the spectrum is within 75 dB of
    its maximum; ``nyquist_hz``, up to where it could be. Channels are averaged first.
    """
    readable = corpus.tracks["path"].map(os.path.isfile) & (corpus.tracks["duration_s"] > 0)
    paths = corpus.tracks.loc[readable, "path"] if corpus.pack is None else {}
    found = for_each(_measured, paths, n_jobs=n_jobs, label="listening for faults")
    rows = {track: row for track, row in found.items() if row}
    columns = list(_facts_of(np.zeros(1, dtype=np.float32), 1, 1))
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return table.sort_index().rename_axis("track_id")


def signals(facts: pd.DataFrame) -> pd.DataFrame:
    """Judge what :func:`facts` measured.

    Findings are `truncated` (only where at least half the corpus has one duration), `silent`,
    `distorted`, `format`, `bandwidth`. `score` is how far the fault goes, in ``[0, 1]``.
    """
    if facts.empty:
        return table([])
    rows = [*_truncated(facts), *_odd_format(facts), *_narrow(facts)]
    for row in facts.itertuples():
        silence = max(row.head_s, row.tail_s)
        if silence >= min(SILENCE_S, row.duration_s / 2):
            text = f"digital silence: first {row.head_s:.1f} s, last {row.tail_s:.1f} s"
            rows.append((row.Index, "", "silent", min(silence / row.duration_s, 1), text))
        if row.clipped >= CLIPPED:
            text = f"{row.clipped:.2%} of the samples are on flat tops"
            rows.append((row.Index, "", "distorted", row.clipped, text))
    return table(rows)


def silences(log_mel: np.ndarray, track_ids: list[str], *, frame_s: float) -> pd.DataFrame:
    """Find silent ends, parameters as in :func:`~genrelib.inspection.recordings`."""
    rows = []
    for track, on in zip(track_ids, sounding(log_mel), strict=True):
        head, tail = _ends(on)
        head_s, tail_s, whole_s = head * frame_s, tail * frame_s, len(on) * frame_s
        if max(head_s, tail_s) >= min(SILENCE_S, whole_s / 2):
            text = f"no band sounds: first {head_s:.1f} s, last {tail_s:.1f} s"
            rows.append((track, "", "silent", max(head_s, tail_s) / whole_s, text))
    return table(rows)


def sounding(log_mel: np.ndarray) -> np.ndarray:
    """Return where a band is above its track's least value, bool of shape (n_tracks, n_frames)."""
    least = log_mel.min(axis=(1, 2))
    return log_mel.max(axis=1) > least[:, None] + _SILENCE_DB


def _measured(path: Path) -> dict:
    try:
        info = audio.inspect(path)
        facts = _facts_of(_heard(path, info), info.sr, info.channels)
    except GenrelibError:  # the feature store says so, with the reason
        return {}
    return facts | {"duration_s": info.duration_s} if info.duration_s > audio.LONG_S else facts


def _heard(path: Path, info: audio.AudioInfo) -> np.ndarray:
    """Decode a file, of a long one its beginning and its end."""
    if info.duration_s <= audio.LONG_S:
        return audio.read(path, sr=info.sr)
    half = audio.LONG_S / 2
    starts = 0, info.duration_s - half
    ends = [audio.read(path, sr=info.sr, offset_s=s, duration_s=half) for s in starts]
    return np.concatenate(ends)


def _facts_of(y: np.ndarray, sr: int, channels: int) -> dict:
    head, tail = _ends(np.abs(y) > _SILENT)
    return {
        "duration_s": len(y) / sr,
        "sr": sr,
        "channels": channels,
        "head_s": head / sr,
        "tail_s": tail / sr,
        "clipped": _flat_share(y),
        "bandwidth_hz": _bandwidth(y, sr),
        "nyquist_hz": sr / 2,
    }


def _ends(on: np.ndarray) -> tuple[int, int]:
    """Count what is off before the first and after the last that is on; all is at the end."""
    places = np.flatnonzero(on)
    return (int(places[0]), len(on) - 1 - int(places[-1])) if len(places) else (0, len(on))


def _flat_share(y: np.ndarray) -> float:
    """Return the share of samples that end a run of three or more equal loud ones."""
    peak = np.max(np.abs(y))
    same = (np.abs(np.diff(y)) < _SAME_VALUE) & (np.abs(y[1:]) >= max(0.5 * peak, _SILENT))
    return float(np.count_nonzero(same[1:] & same[:-1]) / len(y))


def _bandwidth(y: np.ndarray, sr: int) -> float:
    """Return the highest frequency, in Hz, at which there is anything."""
    hz, power = welch(y, sr, nperseg=min(2048, len(y)))
    level = 10 * np.log10(np.maximum(power, 1e-30))
    level = uniform_filter1d(level, max(1, len(level) // 100))
    return float(hz[np.flatnonzero(level > level.max() + _NOTHING_DB)[-1]]) if power.any() else 0.0


def _truncated(facts: pd.DataFrame) -> Iterator[tuple]:
    """Yield clips that are shorter than the others; whole songs have no usual duration."""
    usual = facts["duration_s"].median()
    alike = (facts["duration_s"] - usual).abs() <= 0.02 * usual
    if alike.mean() >= _CLIPS:
        for track, lasts in facts.loc[facts["duration_s"] < SHORT * usual, "duration_s"].items():
            text = f"lasts {lasts:.1f} s, where {usual:.1f} s are usual"
            yield track, "", "truncated", 1 - lasts / usual, text


def _odd_format(facts: pd.DataFrame) -> Iterator[tuple]:
    """Yield tracks that are stored in another way than most."""
    for name, unit in (("sr", "Hz"), ("channels", "channels")):
        usual = facts[name].mode().iloc[0]
        share = float((facts[name] == usual).mean())
        for track, value in facts.loc[facts[name] != usual, name].items():
            text = f"{value} {unit}, where {usual} are usual"
            yield track, "", "format", share, text


def _narrow(facts: pd.DataFrame) -> Iterator[tuple]:
    """Yield tracks that use less of their sample rate than is usual."""
    share = facts["bandwidth_hz"] / facts["nyquist_hz"]
    usual = share.median()
    for track in share.index[(share < NARROW * usual) & (facts["bandwidth_hz"] > 0)]:
        row = facts.loc[track]
        text = f"nothing above {row['bandwidth_hz']:.0f} Hz, at {row['sr']:.0f} Hz sample rate"
        yield track, "", "bandwidth", 1 - share[track], text


def mislabels(rows: pd.DataFrame) -> pd.DataFrame:
    """Find tracks whose label systems that never heard the artist agree to doubt.

    Probabilities are averaged over systems and repeats. As in confident learning (Northcutt, Jiang
    & Chuang 2021), a track is suspected when another genre is as probable as it usually is for
    tracks that bear its label; and when its own is less probable than by chance.

    `rows` are the predictions of the systems that are trusted, under one artist-disjoint protocol:
    where artists are shared, systems have learnt the labels. `score` is how much more probable the
    other genre is. Findings are suspicions, to be listened to: most are odd music rightly labelled.
    """
    protocols = sorted(rows["protocol"].unique())
    if len(protocols) != 1:
        raise GenrelibError(
            f"predictions under the protocols {protocols}; give those of one, such as "
            "artist_grouped."
        )
    rows = rows[rows["genre_trained"]]  # a genre that was not trained is improbable for everyone
    columns = [column for column in rows if column.startswith("p_")]
    mean = rows.groupby("track_id")[columns].mean()
    genres = np.array([column.removeprefix("p_") for column in columns])
    own = np.searchsorted(genres, rows.groupby("track_id")["genre"].first()[mean.index])
    p = mean.to_numpy()
    at_home = p[np.arange(len(p)), own]
    # genres without a track can't be usual
    usual = [at_home[own == k].mean() if (own == k).any() else np.inf for k in range(len(genres))]
    usual = np.array(usual)
    away = p.copy()
    away[np.arange(len(p)), own] = -1
    other = away.argmax(axis=1)
    likely = away.max(axis=1)
    suspected = (likely >= usual[other]) & (at_home < 1 / len(genres))
    rows = []
    for k in np.flatnonzero(suspected):
        text = f"{genres[other[k]]} at {likely[k]:.2f}, {genres[own[k]]} at {at_home[k]:.2f}"
        rows.append((mean.index[k], "", "mislabel", likely[k] - at_home[k], text))
    return table(rows)
