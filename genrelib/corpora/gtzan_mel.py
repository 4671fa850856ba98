"""GTZAN without audio: a feature pack of log-mel spectrograms, the sealed test tracks left out.

``gtzan_mel_dev.npz`` holds `track_id` (n,) and `log_mel_u8` (n, 128, 387), uint8: decibels relative
to the track's maximum, quantised to 256 levels from -80 to 0, mel band 0 the lowest. They were made
from librosa's ``power_to_db(S=feature.melspectrogram(sr=22050, n_fft=2048, hop_length=512,
n_mels=128), ref=np.max)``, of which one frame in 3.34 was kept. A frame is where the middle of its
share of the 30 s is, ``(k + 0.5) * 30 / 387`` seconds, to within half a frame: found by comparing
with the audio of those tracks that are in gtzan_mini, too.
"""

import hashlib
import os
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from ..base.errors import GenrelibError
from ..features.compiled import librosa
from ..store import packs
from .gtzan import about, annotations
from .tracks import Loaded

NAME = "gtzan_mel_dev"
REVISION = 1
"""Raised when the same bytes come to mean other values."""

SHAPE = (128, 387)
"""Mel bands and frames of a track."""

DURATION_S = 30.0
FLOOR_DB = -80.0

_SHOWN = 5  # track ids that an error names


def load_gtzan_mel_dev(data: Path, *, n_jobs: int = 1) -> Loaded:
    """Load the pack from the folder that :data:`genrelib.store.packs.FOLDER` names.

    `md5` is of a track's levels, `path` the pack's.

    Raises
    ------
    GenrelibError
        When the pack is not found or not as described above, or holds tracks that are not GTZAN's
        or are in the fault-filtered test split: those are sealed.
    """
    path = packs.find(f"{NAME}.npz")
    levels = read_levels(path)
    known = annotations(Path(os.path.abspath(data)) / "raw" / "downloads")
    _refuse(path, [t for t in levels if t not in known.index], "are no tracks of GTZAN")
    sealed = known.index[known["official_split"] == "test"]
    _refuse(path, [t for t in levels if t in sealed], "are sealed (fault-filtered test split)")
    tracks = known.loc[sorted(levels)].assign(path=str(path), duration_s=DURATION_S, exclude="")
    md5 = {track: hashlib.md5(level.tobytes()).hexdigest() for track, level in levels.items()}
    tracks["md5"] = pd.Series(md5)
    pack = packs.Pack(
        name=NAME,
        path=path,
        revision=REVISION,
        duration_s=DURATION_S,
        n_frames=SHAPE[1],
        content="log-mel",
        read=read_levels,
        makers={"log_mel": log_mel, "mfcc": mfcc},
    )
    return Loaded(tracks, [*_about(pack, list(levels), known), *about(known)], pack)


def log_mel(levels: np.ndarray) -> np.ndarray:
    """Return decibels relative to the track's maximum from levels, uint8: 0 is -80 dB, 255 is 0 dB.

    That maximum may lie a few dB below 0, where the loudest frame was not among those kept.

    Examples
    --------
    >>> log_mel(np.array([[0, 51, 255]], dtype=np.uint8)).tolist()
    [[-80.0, -64.0, 0.0]]
    """
    return levels.astype(np.float32) / 255 * -FLOOR_DB + FLOOR_DB


def mfcc(levels: np.ndarray) -> np.ndarray:
    """Return the first 20 cosine coefficients of the log-mel, as librosa's MFCC.

    Coefficient 0 is relative to the track's maximum, where that of audio is absolute.
    """
    return librosa.feature.mfcc(S=log_mel(levels), n_mfcc=20)


def read_levels(path: Path) -> dict[str, np.ndarray]:
    """Read the pack."""
    try:
        with np.load(path, allow_pickle=False) as content:  # each member's checksum is verified
            ids, levels = content["track_id"], content["log_mel_u8"]
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise GenrelibError(
            f"{path} is not the feature pack {NAME}, or is damaged ({error}); it must be an .npz "
            "file with the arrays track_id and log_mel_u8: fetch it again."
        ) from error
    shape = (len(ids), *SHAPE) if ids.ndim == 1 else None
    if ids.dtype.kind != "U" or levels.dtype != np.uint8 or levels.shape != shape:
        raise GenrelibError(
            f"{path} has track_id of {ids.dtype} {ids.shape} and log_mel_u8 of {levels.dtype} "
            f"{levels.shape}; text of shape (n,) and uint8 of shape (n, {SHAPE[0]}, {SHAPE[1]}) "
            "are needed: fetch it again."
        )
    names = pd.Index(ids.tolist())
    _refuse(path, names[names.duplicated()].unique(), "are held more than once")
    return dict(zip(names, levels, strict=True))


def _refuse(path: Path, tracks: list[str] | pd.Index, trouble: str) -> None:
    """Raise an error that names some of the tracks, if there are any."""
    if len(tracks):
        shown = ", ".join(tracks[:_SHOWN]) + (", …" if len(tracks) > _SHOWN else "")
        raise GenrelibError(
            f"{len(tracks)} tracks of the feature pack {path} {trouble}: {shown}. It is not used; "
            "take a pack without them."
        )


def _about(pack: packs.Pack, tracks: list[str], known: pd.DataFrame) -> list[str]:
    """Say what the pack holds and what it doesn't."""
    sealed = known["official_split"] == "test"
    wanting = known.index[~sealed].difference(tracks)
    shown = ", ".join(wanting[:_SHOWN]) + (", …" if len(wanting) > _SHOWN else "")
    return [
        f"a feature pack without audio: {len(tracks)} of GTZAN's {len(known)} tracks. The "
        f"{sealed.sum()} tracks of the fault-filtered test split are sealed, so not in it"
        + (f"; {len(wanting)} of the others wanting: {shown}." if len(wanting) else "."),
        f"log-mel of {SHAPE[0]} bands, quantised to 8 bit (steps of {-FLOOR_DB / 255:.2f} dB), a "
        f"frame every {1000 * pack.frame_s:.1f} ms ({pack.duration_s:g} s / {pack.n_frames}); "
        "features that need phase or finer time can't be had from it.",
    ]
