"""Corpora that come as feature packs, without audio: any that somebody shared, and GTZAN's.

``gtzan_mel_dev.npz`` holds `track_id` (n,) and `log_mel_u8` (n, 128, 387), uint8: decibels relative
to the track's maximum, quantised to 256 levels from -80 to 0, mel band 0 the lowest. They were made
from librosa's ``power_to_db(S=feature.melspectrogram(sr=22050, n_fft=2048, hop_length=512,
n_mels=128), ref=np.max)`` of the whole track, of which one frame in 3.34 was kept. A frame is where
the middle of its share of the 30 s is, ``(k + 0.5) * 30 / 387`` seconds, to within half a frame;
:func:`levels_of` has it exactly, as found by comparing with the audio of those tracks that are in
gtzan_mini, too.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from ..base.errors import GenrelibError
from ..features import SR, extract
from ..features.compiled import librosa
from ..store import packs, sharing
from ..store.building import UNREADABLE_NPZ
from ..store.file import seconds_per_frame
from . import gtzan
from .tracks import Loaded

UNPACK = "python -m genrelib unpack"  # verifies a pack and puts it where :func:`load_pack` looks


@dataclass(frozen=True)
class SharedPack(packs.Pack):
    """A pack of features as another store had them: nothing is computed, nothing is cut."""

    corpus: str
    digest: str
    made_with: Mapping[str, object] = field(repr=False)

    @property
    def frame_s(self) -> float:
        """Seconds from one frame to the next, as in the store that it was made from."""
        return seconds_per_frame(self.made_with)

    def frames(self, clip_s: float) -> int:
        """Return how many frames a clip has."""
        if clip_s != self.duration_s:
            raise GenrelibError(
                f"clip_s={clip_s!r}, but the pack {self.name} holds features of clips of "
                f"{self.duration_s:g} s, from which those of another length cannot be had; set "
                f"clip_s: {self.duration_s!r}."
            )
        return self.n_frames

    def configuration(self, clip_s: float) -> dict[str, object]:
        """Return what the values depend on: the pack, and the store that it was made from."""
        self.frames(clip_s)
        return {
            "pack": self.corpus,
            "pack_digest": self.digest,
            "frame_s": self.frame_s,
            "clip_s": self.duration_s,
            "librosa": self.made_with["librosa"],
            "made_with": self.made_with,
        }


def load_pack(data: Path, *, file: str | None = None, n_jobs: int = 1) -> Loaded:
    """Load a shared pack from ``packs/`` in the data folder, where ``unpack`` puts it.

    What is not there is looked for in the folder that :data:`genrelib.store.packs.FOLDER` names.
    The tracks table is the one that was packed; of the notes, the licence note is the first. `md5`
    is of the audio that the features are from.
    """
    contents = sharing.read(_found(packs.installed(data), file))
    tracks = contents.tracks.copy()
    tracks["path"] = np.where(tracks["exclude"] == "", str(contents.path), "")
    pack = SharedPack(
        name=contents.path.name,
        path=contents.path,
        revision=sharing.VERSION,
        duration_s=contents.configuration["clip_s"],
        n_frames=next(n_frames for _, n_frames in contents.features.values()),
        content=", ".join(contents.features),
        read=partial(sharing.Held, digest=contents.digest),
        makers={name: partial(_matrix, name) for name in contents.features},
        corpus=contents.corpus,
        digest=contents.digest,
        made_with=contents.configuration,
    )
    return Loaded(tracks, [*about(contents), *contents.notes], pack)


def about(contents: sharing.Contents) -> list[str]:
    """Say what a pack holds, from whom its rights are known, and what it was made with."""
    made_with = contents.configuration
    return [
        f"licence note of the pack, by whoever made it: {contents.licence}",
        f"a shared feature pack of the corpus {contents.corpus}, without audio: "
        f"{', '.join(contents.features)} of {len(contents.usable)} of {len(contents.tracks)} "
        f"tracks, clips of {made_with['clip_s']:g} s, made with librosa {made_with['librosa']}. "
        f"Its digest: {contents.digest}.",
    ]


def _found(folder: Path, file: str | None) -> Path:
    if file is None or not str(file).strip():
        held = ", ".join(sorted(path.name for path in folder.glob("*.h5"))) or "none"
        raise GenrelibError(
            f"file={file!r}: the corpus 'pack' needs the name of a pack; installed in {folder}: "
            f"{held}. {UNPACK} FILE installs one."
        )
    path = folder / str(file)
    if path.is_file():
        return path
    try:
        return packs.find(str(file))
    except GenrelibError as error:
        raise GenrelibError(
            f"{folder} holds no {file}; install the pack with {UNPACK} FILE. Elsewhere: {error}"
        ) from error


def _matrix(feature: str, held: Callable[[str], np.ndarray]) -> np.ndarray:
    """Read a feature of what is held of a track, see :class:`genrelib.store.sharing.Held`."""
    return held(feature).astype(np.float32)


NAME = "gtzan_mel_dev"
REVISION = 1  # raised when the same bytes come to mean other values
SHAPE = (128, 387)  # mel bands and frames of a track
DURATION_S = 30.0
FLOOR_DB = -80.0
MOST_BYTES = 1_000_000_000

_SHOWN = 5  # track ids that an error names


def load_gtzan_mel_dev(data: Path, *, n_jobs: int = 1) -> Loaded:
    """Load the pack from the folder that :data:`genrelib.store.packs.FOLDER` names.

    One with tracks of the fault-filtered test split, which are sealed, is refused.
    """
    path = packs.find(f"{NAME}.npz")
    known = gtzan.annotations(Path(os.path.abspath(data)) / "raw" / "downloads")
    levels = read_levels(path)
    sealed = known.index[known["official_split"] == "test"]
    _refuse(path, [t for t in levels if t in sealed], "are sealed (fault-filtered test split)")
    tracks, pack = described_levels([path], known)
    return Loaded(tracks, [*_about_levels(pack, list(levels), known), *gtzan.about(known)], pack)


def described_levels(paths: list[Path], known: pd.DataFrame) -> tuple[pd.DataFrame, packs.Pack]:
    """Return the tracks table and the pack of files of levels, whatever split their tracks are in.

    `known` tells genre, artist, title, group and official split of every track they may hold; a
    track that it lacks, or that is in two files, is a :class:`GenrelibError`.
    """
    levels, place = {}, {}
    for path in paths:
        held = read_levels(path)
        _refuse(path, [t for t in held if t not in known.index], "are not among the known tracks")
        _refuse(path, [t for t in held if t in levels], "are in another file, too")
        levels |= held
        place |= dict.fromkeys(held, str(Path(path).absolute()))
    tracks = known.loc[sorted(levels)].assign(duration_s=DURATION_S, exclude="")
    md5 = {track: hashlib.md5(level.tobytes()).hexdigest() for track, level in levels.items()}
    tracks["path"], tracks["md5"] = pd.Series(place), pd.Series(md5)
    pack = packs.Pack(
        name=NAME,
        path=Path(paths[0]).absolute(),
        revision=REVISION,
        duration_s=DURATION_S,
        n_frames=SHAPE[1],
        content="log-mel",
        read=partial(_levels_of, levels),
        makers=MAKERS,
    )
    return tracks, pack


def _levels_of(levels: dict[str, np.ndarray], _path: Path) -> dict[str, np.ndarray]:
    return levels


def log_mel(levels: np.ndarray) -> np.ndarray:
    """Return decibels relative to the track's maximum from levels, uint8: 0 is -80 dB, 255 is 0 dB.

    That maximum may lie a few dB below 0, where the loudest frame was not among those kept.

    >>> log_mel(np.array([[0, 51, 255]], dtype=np.uint8)).tolist()
    [[-80.0, -64.0, 0.0]]
    """
    return levels.astype(np.float32) / 255 * -FLOOR_DB + FLOOR_DB


def levels_of(y: np.ndarray) -> np.ndarray:
    """Return what the pack would hold of a track's audio: mono at 22050 Hz, about 30 s.

    The decibels from the track's lowest to its highest are cut into 256 steps of one size. Kept is
    the frame that has ``(k + 0.5) * n_frames / 387.5`` in it. A track of one level, such as
    silence, is all 0.
    """
    db = extract(y, SR, ["log_mel"])["log_mel"]
    frames = ((2 * np.arange(SHAPE[1]) + 1) * db.shape[1] - 1) // (2 * SHAPE[1] + 1)
    steps = 256 * (db[:, frames] - db.min()) / max(np.ptp(db), np.finfo(np.float32).tiny)
    return np.clip(steps, 0, 255).astype(np.uint8)


def mfcc(levels: np.ndarray) -> np.ndarray:
    """Return the first 20 cosine coefficients of the log-mel, as librosa's MFCC.

    Coefficient 0 is relative to the track's maximum, where that of audio is absolute.
    """
    return librosa.feature.mfcc(S=log_mel(levels), n_mfcc=20)


MAKERS = {"log_mel": log_mel, "mfcc": mfcc}  # how features are made of levels


def read_levels(path: Path) -> dict[str, np.ndarray]:
    """Read the pack."""
    try:
        with np.load(path, allow_pickle=False) as content:  # each member's checksum is verified
            if sum(member.file_size for member in content.zip.infolist()) > MOST_BYTES:
                raise ValueError(f"it holds more than {MOST_BYTES} bytes")
            ids, levels = content["track_id"], content["log_mel_u8"]
    except UNREADABLE_NPZ as error:
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
    if len(tracks):
        shown = ", ".join(tracks[:_SHOWN]) + (", …" if len(tracks) > _SHOWN else "")
        raise GenrelibError(
            f"{len(tracks)} tracks of the feature pack {path} {trouble}: {shown}. It is not used; "
            "take a pack without them."
        )


def _about_levels(pack: packs.Pack, tracks: list[str], known: pd.DataFrame) -> list[str]:
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
