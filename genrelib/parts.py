"""Features of one track in a file of its own: what a store is put together from.

Workers write parts, whole or not at all, so that a build that is killed loses only the tracks it
was at. A part's name says everything that its content depends on: what is there is valid.
"""

import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .audio import SR, excerpt, read
from .errors import GenrelibError
from .features import configuration, extract
from .files import digest, replacing
from .storefile import stored

UNREADABLE = "unreadable"
"""Stands for the md5 of a file that can't be read."""


@dataclass(frozen=True)
class Request:
    """What is to be extracted from one track.

    Parameters
    ----------
    track_id : str
        Whose features they are.
    md5 : str
        Of the audio file's bytes.
    names : tuple of str
        Features.
    clip_s : float
        Seconds kept, from the middle.
    """

    track_id: str
    md5: str
    names: tuple[str, ...]
    clip_s: float

    def part(self, folder: Path) -> Path:
        """Return where in `folder` the answer is."""
        content = self.track_id, self.md5, self.names, self.clip_s, configuration(self.clip_s)
        text = json.dumps(content)
        return folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.npz"


def audio_md5(track_id: str, path: str) -> tuple[str, str]:
    """Return the track's id and the md5 of its audio file, :data:`UNREADABLE` if there is none."""
    try:
        return track_id, digest(Path(path), "md5")
    except OSError:
        return track_id, UNREADABLE


def make_part(request: Request, path: str, folder: Path) -> tuple[str, str]:
    """Extract one track's features into its part, or the reason why that can't be done.

    Parameters
    ----------
    request : Request
        What to extract.
    path : str
        The audio file.
    folder : Path
        Where parts are. A valid part that is there is kept.

    Returns
    -------
    tuple of str
        The track's id, and the reason of its failure, empty when all is well.

    Raises
    ------
    GenrelibError
        When the file is not the one that was asked for: that is no fault of the track.
    """
    target = request.part(folder)
    part = load_part(target)
    if part is None:
        part = _extracted(request, path)
        with replacing(target) as temporary:
            np.savez(temporary, **part)
    return request.track_id, str(part.get("failure", ""))


def load_part(part: Path) -> dict[str, np.ndarray] | None:
    """Return a part's matrices, or its ``failure`` alone; None when it is missing or damaged."""
    try:
        with np.load(part) as content:  # a zip file: each member's checksum is verified
            return dict(content)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile):
        return None


def _extracted(request: Request, path: str) -> dict[str, np.ndarray]:
    """Return the content of a part."""
    try:
        clip = excerpt(read(Path(path)), SR, request.clip_s)
        features = extract(clip, SR, request.names)
        return {name: stored(name, matrix) for name, matrix in features.items()}
    except (GenrelibError, OSError) as error:
        if request.md5 not in (UNREADABLE, audio_md5(request.track_id, path)[1]):
            raise GenrelibError(
                f"{path} has vanished or changed since the corpus was loaded, or its disk is not "
                f"there ({error}). See to it and run again: what is finished is kept."
            ) from error
        # without the folder: the same fault must read the same everywhere
        reason = str(error).replace(str(path), Path(path).name)
        return {"failure": np.array(reason)}
