"""Listening: the clips of a song, and their features exactly as the training tracks' were made.

A song is read in clips of the training's length, so that a system hears no more and no less of it
than it did of a training track, and memory does not grow with the song. What a feature store would
hold of a clip is computed from its audio, rounding included; for GTZAN's pack, which has no audio,
that is the pack's own form.
"""

import os
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from .. import features
from ..base.errors import GenrelibError
from ..corpora import packed
from ..features import audio
from ..store.file import stored

SUFFIXES = (*audio.SUFFIXES, ".aif", ".aifc", ".aiff", ".caf", ".oga", ".opus", ".w64")
"""What is looked for in folders; a file that is named is tried whatever its name."""

CONVERTED = (".aac", ".ape", ".m4a", ".m4b", ".mp4", ".webm", ".wma", ".wv")
"""Kinds of audio that libsndfile does not decode; they are looked for too, to be told of."""

PACK_SPARE_S = 1.0  # GTZAN's tracks last 30 s to within this; the pack holds each whole


def files(paths: Iterable[str | Path]) -> list[Path]:
    """List audio files: those named, and those in folders named, sorted, however deep.

    A path that is not there, and a folder without audio, are a :class:`GenrelibError`.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.is_dir():
            if not path.exists():
                raise GenrelibError(f"{path} does not exist; name audio files or their folders.")
            found.append(path)
            continue
        wanted = (*SUFFIXES, *CONVERTED)
        inside = [p for p in path.rglob("*") if p.suffix.lower() in wanted and not p.is_dir()]
        if not inside:
            raise GenrelibError(
                f"{path} holds no audio, in no folder below it either; looked for are files that "
                f"end in {', '.join(wanted)}."
            )
        found += sorted(inside)
    once: dict[str, Path] = {}
    for path in found:
        once.setdefault(os.path.abspath(path), path)
    return list(once.values())


def check(made_with: dict[str, object]) -> None:
    """Refuse features that can't be made from audio here as they were for training.

    `made_with` is the configuration of the training's feature store.
    """
    here = features.configuration(made_with["clip_s"])
    if "pack" in made_with:
        if made_with["pack"] != packed.NAME or made_with["clip_s"] != packed.DURATION_S:
            raise GenrelibError(
                f"features of the pack {made_with['pack']}, clips of {made_with['clip_s']:g} s: "
                "they can't be made from audio here. Take a corpus of audio, or "
                f"{packed.NAME} with clips of {packed.DURATION_S:g} s."
            )
        versions = {name: here[name] for name in ("librosa", "revision")}
        here = {**made_with, **versions, "pack_revision": packed.REVISION}
    for name in sorted({*made_with, *here}):
        if made_with.get(name) != here.get(name):
            raise GenrelibError(
                f"features of another version: {name} was {made_with.get(name)!r} in training, "
                f"here it is {here.get(name)!r}; train the model again with this genrelib."
            )


def clips(path: Path, made_with: dict[str, object]) -> Iterator[tuple[float, np.ndarray]]:
    """Yield first second and samples of each clip of a song, see :func:`.audio.windows`."""
    if path.suffix.lower() in CONVERTED:
        raise GenrelibError(
            f"{path} is of a kind not decoded here ({path.suffix}); convert it, such as: "
            f"ffmpeg -i {shlex.quote(path.name)} {shlex.quote(f'{path.stem}.flac')}"
        )
    spare_s = PACK_SPARE_S if "pack" in made_with else 0.0
    return audio.windows(path, made_with["clip_s"], spare_s=spare_s)


def matrices(
    y: np.ndarray, names: Iterable[str], made_with: dict[str, object]
) -> dict[str, np.ndarray]:
    """Return features of a clip as a store would give them: ``(n_bands, n_frames)``, float32."""
    if "pack" in made_with:
        levels = packed.levels_of(y)
        made = {name: packed.MAKERS[name](levels) for name in names}
    else:
        made = features.extract(y, features.SR, names)
    return {name: stored(name, matrix).astype(np.float32) for name, matrix in made.items()}
