"""Feature packs: matrices that come in place of audio, of music that can't be shared.

A pack is a file. It holds something of each track of a corpus, from which some features can be had
and others can't. A loader of :mod:`genrelib.corpora` says how it is read; the store takes the
features of such a corpus from its pack, those of others from audio. Features that only packs can
bring, because they were published without what they were computed by, are in :data:`PACKED`.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..base.errors import GenrelibError, unknown
from ..features import FEATURES, Feature, Spectra
from ..features.compiled import librosa
from ..features.extraction import REVISION

FOLDER = "GENRELIB_PACKS"  # environment variable that names the folder of packs

_FMA_FAMILIES = {
    "chroma_cens": 12,
    "chroma_cqt": 12,
    "chroma_stft": 12,
    "mfcc": 20,
    "rmse": 1,
    "spectral_bandwidth": 1,
    "spectral_centroid": 1,
    "spectral_contrast": 7,
    "spectral_rolloff": 1,
    "tonnetz": 6,
    "zcr": 1,
}
_FMA_STATISTICS = ("kurtosis", "max", "mean", "median", "min", "skew", "std")

ROWS_OF_PACKED: dict[str, tuple[tuple[str, str], ...]] = {
    "fma_features": tuple(
        (family, f"{family} {statistic} {number:02d}")
        for family, n_rows in _FMA_FAMILIES.items()
        for statistic in _FMA_STATISTICS
        for number in range(1, 1 + n_rows)
    )
}
"""Family and name of each row of the features in :data:`PACKED`, in the order of the rows."""


def _without_pack(_spectra: Spectra) -> np.ndarray:
    raise GenrelibError("this feature comes with a pack; it can't be computed from audio.")


PACKED: dict[str, Feature] = {
    "fma_features": Feature(
        "fma_features",
        len(ROWS_OF_PACKED["fma_features"]),
        "mixed: statistics of 11 feature families",
        "rows",
        "features.csv of FMA: seven statistics over the whole track of 74 rows of librosa",
        _without_pack,
    )
}
"""Features that come with packs only, by name; those of audio are in ``features.FEATURES``."""


def described(feature: str) -> Feature:
    """Look up a feature, of audio or of packs only; an unknown name is an error."""
    known = {**FEATURES, **PACKED}
    if feature not in known:
        raise unknown("feature", feature, known)
    return known[feature]


def lacking_in_audio(feature: str) -> str:
    """Reason a feature can't be had from audio, or an empty string."""
    if described(feature).name in FEATURES:
        return ""
    return f"{feature} comes with a feature pack only and cannot be computed from audio"


def find(file: str) -> Path:
    """Return the absolute path of a pack in the folder that :data:`FOLDER` names; else raise."""
    folder = os.environ.get(FOLDER, "").strip()
    if not folder:
        raise GenrelibError(
            f"{FOLDER} is not set; set it to the folder that holds the feature pack {file}, or "
            "choose a corpus of audio."
        )
    path = Path(os.path.abspath(Path(folder).expanduser())) / file
    if not path.is_file():
        state = "holds no such file" if path.parent.is_dir() else "is not a folder"
        raise GenrelibError(
            f"the feature pack {file} was looked for in {path.parent}, which {state}; set "
            f"{FOLDER}={os.environ[FOLDER]!r} to the folder that holds it."
        )
    return path


@dataclass(frozen=True)
class Pack:
    """What stands in for the audio of a corpus: a file, called `name` in reasons.

    A raised `revision` says that the same file comes to mean other values. `duration_s` are the
    seconds of each track, and `n_frames` are spread evenly over them; 1 where values sum up a
    track. `content` says what it holds. ``read(path)`` returns, by track id, what is held of each
    track; of `makers`, by feature, ``maker(held)`` makes the matrix ``(n_bands, n_frames)``,
    float32, of it.
    """

    name: str
    path: Path
    revision: int
    duration_s: float
    n_frames: int
    content: str
    read: Callable[[Path], Mapping[str, np.ndarray]] = field(repr=False)
    makers: Mapping[str, Callable[[np.ndarray], np.ndarray]] = field(repr=False)

    @property
    def frame_s(self) -> float:
        """Seconds from one frame to the next: ``duration_s / n_frames``."""
        return self.duration_s / self.n_frames

    def lacks(self, feature: str) -> str:
        """Return why a feature can't be had, in words; empty when it can."""
        if described(feature).name in self.makers:
            return ""
        needs = "needs audio" if feature in FEATURES else "comes with another pack"
        steps = f" with a frame every {1000 * self.frame_s:.1f} ms" if self.n_frames > 1 else ""
        return (
            f"{feature} {needs}; the pack {self.name} holds {self.content}{steps}, from which it "
            "cannot be had"
        )

    def frames(self, clip_s: float) -> int:
        """Return how many frames a clip has; sums of a whole track are the same for every clip."""
        n_frames = round(clip_s / self.frame_s) if 0 < clip_s <= self.duration_s else 0
        if self.n_frames == 1 and 0 < clip_s <= self.duration_s:
            return 1
        if n_frames < 1:
            raise GenrelibError(
                f"clip_s={clip_s!r}, but the pack {self.name} holds {self.duration_s:g} s of each "
                f"track, a frame every {1000 * self.frame_s:.1f} ms; ask for a clip_s of at least "
                f"a frame and at most {self.duration_s:g}."
            )
        return n_frames

    def configuration(self, clip_s: float) -> dict[str, object]:
        """Return everything beside what is held of the tracks that the values depend on."""
        return {
            "pack": self.name,
            "pack_revision": self.revision,
            "frame_s": self.frame_s,
            "clip_s": float(clip_s),
            "librosa": librosa.__version__,
            "revision": REVISION,
        }

    def matrix(self, held: np.ndarray, feature: str, clip_s: float) -> np.ndarray:
        """Make one matrix of one track from what `read` returned of it.

        The middle of the whole track's matrix, as it is, shape ``(n_bands, frames(clip_s))``,
        float32: decibels stay relative to the maximum of the track, also where the clip leaves that
        out.
        """
        n_frames = self.frames(clip_s)
        start = (self.n_frames - n_frames) // 2
        return self.makers[feature](held)[:, start : start + n_frames]


def installed(data: Path) -> Path:
    """Return the folder in the data folder that holds packs."""
    return Path(os.path.abspath(data)) / "packs"
