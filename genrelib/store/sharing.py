"""Sharing the features of a corpus: written into one file, verified where they come to."""

import json
import re
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..base.errors import GenrelibError
from ..base.files import check_room, locked, replacing
from . import packfile
from .file import size_of, stored
from .packs import described, installed
from .store import Store

RIGHTS = (
    "From some features (log_mel, spectrogram, mfcc, and stack, which holds mfcc) the music can be "
    "made audible again, approximately. Whoever shares a pack answers for the right to share it."
)
"""What to know before a licence note is given."""

_BLOCK = 2**20  # bytes that are copied at a time
_FOLDERS = re.compile(
    r"""(?<![^\s'"(\[=])(?:/(?:[^/\\\s]+[/\\])+|(?:~[^/\\\s]*|[A-Za-z]:)[/\\](?:[^/\\\s]+[/\\])*)"""
)
_LOGIN = re.compile(r"(?<=://)[^/\s@]*@")
_QUERY = re.compile(r"""\?[^\s'"()]*=[^\s'"()]*""")


def pack(corpus, features: Store, path: Path, *, names: Iterable[str], licence: str) -> str:
    """Write a corpus's features, its tracks table and a licence note into one file.

    A few tracks at a time are in memory. An interrupted pack leaves no file; what a killed one
    leaves beside it goes with the next. The same store and corpus give the same bytes.

    Parameters
    ----------
    corpus : Corpus
        Its usable tracks are packed; the others keep their row and their reason.
    features : Store
        Holds the features of them. Tracks that failed there are excluded, for that reason.
    path : Path
        The file to write.
    names : iterable of str
        Features.
    licence : str
        Who may do what with the pack, and by what right. It is shown wherever the pack is used.

    Returns
    -------
    str
        The digest of the pack, by which others can tell that theirs is the same.

    Raises
    ------
    GenrelibError
        When the licence note is empty, the file exists, a feature is unknown or not in the store,
        or the disk has no room.
    """
    path, names = Path(path).absolute(), sorted(set(names))
    refuse(path, licence)
    if not names:
        raise GenrelibError("no feature is named; name at least one, such as log_mel.")
    for name in names:
        described(name)
    corpus = corpus.without(features.failures["reason"])
    ids = list(corpus.usable.index)
    n_frames = features.read(names[0], ids[:1]).shape[2]
    needed = size_of(len(ids), names, n_frames)
    check_room(path.parent, needed, what="the features", remedy="name fewer with --features")
    tracks = corpus.tracks.assign(exclude=corpus.tracks["exclude"].map(_without_folders))
    about = {
        "corpus": corpus.name,
        "corpus_fingerprint": corpus.fingerprint,
        "configuration": features.made_with,
        "licence": licence.strip(),
        "notes": json.dumps([_without_folders(note) for note in corpus.notes]),
    }
    with locked(features.path):  # no other pack of this store may sweep what this one writes
        return packfile.write(
            path,
            tracks,
            partial(_matrices, features),
            names=names,
            n_frames=n_frames,
            about=about,
        )


def unpack(path: Path, data: Path) -> packfile.Contents:
    """Verify a pack, all of it, and put it where the corpus ``pack`` finds it by its name.

    A pack that is there already is verified in its place.

    Parameters
    ----------
    path : Path
        The pack.
    data : Path
        The data folder, which gets a copy in ``packs/``.

    Returns
    -------
    packfile.Contents
        Of the copy.

    Raises
    ------
    GenrelibError
        When the pack is not what was packed, another one of that name is there, or the disk has no
        room.
    """
    path = Path(path).absolute()
    kept = installed(data) / path.name
    contents = packfile.verify(path)
    with locked(kept):
        if not kept.exists():
            _copy(path, kept)
        elif packfile.verify(kept).digest != contents.digest:
            raise GenrelibError(
                f"{kept} is another pack of the same name; delete it, or rename {path.name}."
            )
    return packfile.read(kept)


def _copy(path: Path, target: Path) -> None:
    """Copy a pack, whole or not at all."""
    size = path.stat().st_size
    remedy = "name the folder that holds the pack in GENRELIB_PACKS instead"
    check_room(target.parent, size, what="its features", remedy=remedy)
    bar = tqdm(total=size, unit="B", unit_scale=True, desc=f"copying {path.name}")
    with replacing(target) as temporary, open(path, "rb") as old, open(temporary, "wb") as new, bar:
        while block := old.read(_BLOCK):
            new.write(block)
            bar.update(len(block))


def _matrices(features: Store, name: str, track_ids: Sequence[str]) -> np.ndarray:
    return stored(name, features.read(name, track_ids))


def _without_folders(text: str) -> str:
    """Take absolute folders, logins and queries of links out of a text: they are of one user.

    Of a folder with spaces in its name, what follows the first space stays.

    Examples
    --------
    >>> _without_folders("line 3: /data/songs/AC/DC.mp3 is no file")
    'line 3: DC.mp3 is no file'
    >>> _without_folders("https://me:secret@host.org/a.mp3?token=secret can't be downloaded")
    "https://host.org/a.mp3 can't be downloaded"
    """
    return _FOLDERS.sub("", _QUERY.sub("", _LOGIN.sub("", text)))


def refuse(path: Path, licence: str) -> None:
    """Raise an error where a file would be overwritten, or nothing is said of the rights."""
    if path.exists():
        raise GenrelibError(f"{path} exists; delete it, or name another file to pack into.")
    if not licence.strip():
        raise GenrelibError(
            f"the licence note is empty ({licence!r}); say who may do what with the pack, and by "
            f"what right. {RIGHTS}"
        )
