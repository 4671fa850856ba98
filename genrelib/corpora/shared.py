"""A corpus that somebody shared as a feature pack: the same tracks and features, no audio."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from ..base.errors import GenrelibError
from ..store import packs, sharing
from ..store.file import seconds_per_frame
from .tracks import Loaded

UNPACK = "python -m genrelib unpack"
"""The command that verifies a pack and puts it where :func:`load_pack` finds it."""


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
    The tracks table is the one that was packed, excluded tracks with their reasons among it; of the
    notes, the licence note is the first. `md5` is of the audio that the features are from.

    Raises
    ------
    GenrelibError
        When the pack is not found, or :func:`genrelib.store.sharing.read` refuses it.
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
