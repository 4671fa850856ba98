"""Sharing the features of a corpus: one file, written, read, verified where it comes to.

A shared pack holds of a corpus what a study reads of it: the tracks table and features as the store
has them::

    /tracks/track_id, /tracks/<column>  (n_tracks,)                    every row, paths left out
    /features/<name>                    (n_usable, n_bands, n_frames)  float16, chunk = one track
    /sha256/<name>                      (n_usable,)                    of each matrix's bytes

Rows of features are the tracks with an empty `exclude`, in the order of the table. Attributes, all
text, are :data:`ATTRIBUTES`: `configuration` (JSON) is the store's, `notes` (JSON) the corpus's,
`digest` is SHA-256 over all the rest but for the matrices, whose own digests are among it.

So the table, the licence note and the digests are verified whenever a pack is opened, and each
matrix when it is read, however large the pack is. This tells damage and edits from what was packed;
it is no signature. Whoever wants to know that a pack is that of its sender compares the digest.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from tqdm import tqdm

from ..base import files
from ..base.errors import GenrelibError
from ..base.files import check_room, locked, replacing, sweep, write_text
from ..base.text import visible
from ..features import FEATURES
from .file import DTYPE, Store, create_features, links, seconds_per_frame, size_of, stored
from .packs import PACKED, installed

FORMAT = "genrelib feature pack"
VERSION = 1  # raised when the layout changes

ATTRIBUTES = (
    *("format", "version", "corpus", "corpus_fingerprint", "configuration", "licence", "notes"),
    "digest",
)
GROUPS = ("features", "sha256", "tracks")

_MOST_TEXT = 1_000_000  # characters of an attribute
_MOST_TRACKS = 1_000_000
_MOST_FRAMES = 1_000_000
_MOST_S = 86_400
_ROWS = 256  # texts that are read at a time

TOGETHER = 16  # tracks in memory at a time while a pack is written; one by one is slower
_AGAIN = "fetch it again, or ask whoever made it for a new one"
# h5py raises any of them; a group that stands where values should has no shape
_DAMAGE = (OSError, KeyError, TypeError, ValueError, RuntimeError, AttributeError)


@dataclass(frozen=True, eq=False)
class Contents:
    """What a pack says of itself: everything but the matrices. Made by :func:`read`.

    `configuration` is that of the store that the features are from; `digest` is SHA-256 of the
    whole, `features` the shape ``(n_bands, n_frames)`` of each one's matrices.
    """

    path: Path
    corpus: str
    configuration: Mapping[str, object]
    licence: str
    notes: tuple[str, ...]
    digest: str
    tracks: pd.DataFrame
    features: Mapping[str, tuple[int, int]]

    @property
    def usable(self) -> pd.Index:
        """Ids of the tracks whose features are held, in the order of the rows."""
        return self.tracks.index[self.tracks["exclude"] == ""]


def write(
    path: Path,
    tracks: pd.DataFrame,
    matrices: Callable[[str, Sequence[str]], np.ndarray],
    *,
    names: Sequence[str],
    n_frames: int,
    about: Mapping[str, str],
) -> str:
    """Write a pack, whole or not at all; return its digest. One process at a time may write it.

    ``matrices(name, track_ids)`` returns a feature of a few usable tracks, of shape ``(n_tracks,
    n_bands, n_frames)``, float16; `about` are the attributes that are not of the format itself.
    """
    usable = tracks.index[tracks["exclude"] == ""]
    sweep(path)
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update({"format": FORMAT, "version": str(VERSION), **about})
        datasets = create_features(file, names, len(usable), n_frames)
        sums = {name: [] for name in names}
        with tqdm(total=len(usable), desc=f"packing {path.name}") as bar:
            for start in range(0, len(usable), TOGETHER):
                ids = list(usable[start : start + TOGETHER])
                for name in names:
                    values = matrices(name, ids)
                    datasets[name][start : start + len(ids)] = values
                    sums[name] += map(_sha256, values)
                bar.update(len(ids))
        for name in names:
            _create_texts(file, f"sha256/{name}", sums[name])
        _create_texts(file, "tracks/track_id", tracks.index)
        for name, column in tracks.drop(columns="path").items():
            if pd.api.types.is_numeric_dtype(column):
                file[f"tracks/{name}"] = column.to_numpy()
            else:
                _create_texts(file, f"tracks/{name}", column)
        file.attrs["digest"] = digest = _digest(file)
    return digest


def read(path: Path) -> Contents:
    """Return what a pack holds but for its matrices, verified.

    Raises :class:`GenrelibError` when there is no such file, it is no pack or one of another
    version, it was cut or edited, or holds features that this version of genrelib does not have.
    """
    path = Path(path).absolute()
    if not path.is_file():
        raise GenrelibError(f"{path} is no file; name a feature pack, an HDF5 file.")
    if not h5py.is_hdf5(path):
        raise GenrelibError(
            f"{path} is no HDF5 file, so no feature pack, or its beginning is damaged; {_AGAIN}."
        )
    try:
        with h5py.File(path, "r") as file:
            trouble = _trouble(file)
            if not trouble:
                contents = _contents(path, file)
                trouble = _unfit(contents, file)
            if not trouble:
                return contents
    except _DAMAGE as error:
        raise GenrelibError(f"{path} is damaged or was cut short ({error}); {_AGAIN}.") from error
    raise GenrelibError(f"{path} {trouble}.")


def verify(path: Path) -> Contents:
    """Read a whole pack, one matrix at a time, and compare each with its digest."""
    contents = read(path)
    held = Held(contents.path, digest=contents.digest)
    for track_id in tqdm(contents.usable, desc=f"verifying {path.name}"):
        for name in contents.features:
            held[track_id](name)
    return contents


class Held(Mapping):
    """The matrices of a pack, by track id; each is read and verified when it is asked for.

    ``held[track_id](feature)`` is a matrix of shape ``(n_bands, n_frames)``, float16. A pack that
    was replaced meanwhile, so that it has another `digest`, is refused.
    """

    def __init__(self, path: Path, *, digest: str):
        contents = read(path)
        if contents.digest != digest:
            raise GenrelibError(
                f"{path} was replaced by another pack (digest {contents.digest} instead of "
                f"{digest}) while it was in use; run this again."
            )
        self._path = contents.path
        self._rows = {track_id: row for row, track_id in enumerate(contents.usable)}
        file = h5py.File(contents.path, "r")
        self._values = {name: file["features"][name] for name in contents.features}
        self._sums = {name: file["sha256"][name].asstr()[:] for name in contents.features}

    def __getitem__(self, track_id: str) -> Callable[[str], np.ndarray]:
        return partial(self._matrix, track_id, self._rows[track_id])

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def _matrix(self, track_id: str, row: int, feature: str) -> np.ndarray:
        try:
            values = self._values[feature][row]
        except _DAMAGE as error:
            raise self._refused(track_id, feature, f"can't be read ({error})") from error
        if _sha256(values) != self._sums[feature][row]:
            raise self._refused(track_id, feature, "is not what was packed: damaged or edited")
        if not np.isfinite(values).all():
            raise self._refused(track_id, feature, "holds NaN or infinity")
        return values

    def _refused(self, track_id: str, feature: str, trouble: str) -> GenrelibError:
        return GenrelibError(f"{self._path}: {feature} of {track_id} {trouble}; {_AGAIN}.")


def _trouble(file: h5py.File) -> str:
    """Return why an HDF5 file is not taken for an unchanged pack, in words; or nothing."""
    elsewhere = links(file)
    if elsewhere:
        return f"holds {elsewhere[0]}, which is not values of its own; {_AGAIN}"
    if file.attrs.get("format") != FORMAT:
        return (
            "is an HDF5 file but no feature pack (a feature store, perhaps); packs are made by "
            "python -m genrelib pack"
        )
    version = file.attrs.get("version")
    if version != str(VERSION):
        return (
            f"is a feature pack of version {version}, this genrelib reads version {VERSION}; "
            "use the version of genrelib that made it, or ask for one of this version"
        )
    form = next(_ill_formed(file), "")
    if form:
        return f"was edited or damaged, or is no pack: {form}; {_AGAIN}"
    strange = {*file.attrs} ^ {*ATTRIBUTES} | {*file} ^ {*GROUPS}
    if strange or file.attrs["digest"] != _digest(file):
        return (
            "is not what was packed: its tracks table, licence note or digests were edited or "
            f"damaged; {_AGAIN}"
        )
    known = {**FEATURES, **PACKED}
    bands = {name: values.shape[1] for name, values in file["features"].items()}
    unknown = [n for n in bands if n not in known or bands[n] != known[n].n_bands]
    if unknown:
        return (
            f"holds {', '.join(unknown)}, which this version of genrelib does not have in that "
            "form; use the version that made it, or ask for a pack without"
        )
    return ""


def _ill_formed(file: h5py.File) -> Iterator[str]:
    """Yield where a file is not laid out as a pack is, before anything large is read of it."""
    for name, value in file.attrs.items():
        if not isinstance(value, str) or len(value) > _MOST_TEXT:
            yield f"the attribute {name} is no text of at most {_MOST_TEXT} characters"
    for name in GROUPS:
        if not isinstance(file.get(name), h5py.Group):
            yield f"{name} is no group"
            return
    if {*file["features"]} != {*file["sha256"]} or not len(file["features"]):
        yield "features and sha256 do not hold the same names"
        return
    n_tracks = file["tracks/track_id"].shape
    n_rows, n_frames = next(iter(file["features"].values())).shape[::2]
    if n_tracks > (_MOST_TRACKS,) or not 0 < n_frames <= _MOST_FRAMES:
        yield f"of {n_tracks} tracks, {n_frames} frames; at most {_MOST_TRACKS}, {_MOST_FRAMES}"
    for place in [f"{group}/{name}" for group in GROUPS for name in file[group]]:
        values, shape = file[place], file[place].shape
        allowed = {
            "tracks": shape == n_tracks and (_is_text(values) or values.dtype.kind in "biuf"),
            "sha256": shape == (n_rows,) and _is_text(values),
            "features": values.dtype == DTYPE
            and values.chunks == (1, *shape[1:])
            and shape[::2] == (n_rows, n_frames),
        }
        if not allowed[place.partition("/")[0]] or values.id.get_create_plist().get_nfilters():
            yield f"{place} is {values.dtype} of {shape}, or filtered, which no pack has"


def _unfit(contents: Contents, file: h5py.File) -> str:
    """Return why no study could read what a pack says of its tracks and itself; or nothing."""
    ids, made_with = contents.tracks.index, contents.configuration
    n_rows = {len(values) for values in file["features"].values()}
    odd = [repr(i) for i in ids[ids.duplicated()]] + [
        repr(i) for i in ids if not isinstance(i, str) or not i or visible(i) != i
    ]
    if odd:
        return f"has ids of tracks that are empty, twice there or no plain text: {odd[0]}; {_AGAIN}"
    if n_rows != {len(contents.usable)}:
        return f"has {len(contents.usable)} usable tracks, but features of {n_rows}; {_AGAIN}"
    numbers = [made_with.get("clip_s"), seconds_per_frame(made_with)]
    if not all(isinstance(n, int | float) and 0 < n < _MOST_S for n in numbers):
        return f"has clips and frames of {numbers} s; above 0 and below {_MOST_S} are allowed"
    if not all(isinstance(n, str) for n in (*contents.notes, made_with.get("librosa"))):
        return f"has notes, or a version of librosa, that are no text; {_AGAIN}"
    return ""


def _contents(path: Path, file: h5py.File) -> Contents:
    """Read what is verified already."""
    columns = {name: _listed(values) for name, values in file["tracks"].items()}
    tracks = pd.DataFrame(columns).set_index("track_id")
    return Contents(
        path=path,
        corpus=file.attrs["corpus"],
        configuration=json.loads(file.attrs["configuration"]),
        licence=file.attrs["licence"],
        notes=tuple(json.loads(file.attrs["notes"])),
        digest=file.attrs["digest"],
        tracks=tracks,
        features={name: values.shape[1:] for name, values in file["features"].items()},
    )


def _digest(file: h5py.File) -> str:
    """Return the digest over attributes, table, shapes and the digests of matrices."""
    whole = hashlib.sha256()

    def add(*parts) -> None:
        whole.update(json.dumps(parts).encode() + b"\n")

    add({name: file.attrs[name] for name in sorted({*file.attrs} - {"digest"})})
    for group in ("tracks", "sha256"):
        for name, values in sorted(file[group].items()):
            add(group, name, _listed(values))
    for name, values in sorted(file["features"].items()):
        add("features", name, values.shape, values.dtype.str, values.attrs["unit"])
    return whole.hexdigest()


def _sha256(matrix: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(matrix, dtype=DTYPE).tobytes()).hexdigest()


def _create_texts(file: h5py.File, name: str, texts) -> None:
    file.create_dataset(name, data=list(texts), dtype=h5py.string_dtype())


def _is_text(values: h5py.Dataset) -> bool:
    """Whether values are texts of any length: of fixed lengths a few bytes may stand for many."""
    kind = h5py.check_string_dtype(values.dtype)
    return kind is not None and kind.length is None


def _listed(values: h5py.Dataset) -> list:
    if not _is_text(values):
        return values[:].tolist()
    listed, room = [], values.file.id.get_filesize()
    for start in range(0, len(values), _ROWS):  # many may name the same long text
        listed += values.asstr()[start : start + _ROWS].tolist()
        room -= sum(map(len, listed[start:]))
        if room < 0:
            raise ValueError(f"{values.name} holds more text than the file")
    return listed


RIGHTS = (
    "From some features (log_mel, spectrogram, mfcc, and stack, which holds mfcc) the music can be "
    "made audible again, approximately. Whoever shares a pack answers for the right to share it."
)

_FOLDERS = re.compile(
    r"""(?<![^\s'"(\[=])(?:/(?:[^/\\\s]+[/\\])+|(?:~[^/\\\s]*|[A-Za-z]:)[/\\](?:[^/\\\s]+[/\\])*)"""
)
_LOGIN = re.compile(r"(?<=://)[^/\s@]*@")
_QUERY = re.compile(r"""\?[^\s'"()]*=[^\s'"()]*""")


def pack(corpus, features: Store, path: Path, *, names: Iterable[str], licence: str) -> str:
    """Write a corpus's features, tracks table and licence note into one file; return its digest.

    An interrupted pack leaves no file; what a killed one leaves beside it goes with the next. The
    same store and corpus give the same bytes. Excluded tracks keep their row and reason; tracks
    that failed in the store are excluded for that. The licence note is shown wherever it is used.

    Raises :class:`GenrelibError` when the licence note is empty, the file exists, a feature is
    not in the store, or the disk has no room.
    """
    path, names = Path(path).absolute(), sorted(set(names))
    refuse(path, licence)
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
        given = {"names": names, "n_frames": n_frames, "about": about}
        return write(path, tracks, lambda name, i: stored(name, features.read(name, i)), **given)


def describe(contents: Contents) -> Path:
    """Write beside a pack what catalogues of datasets read, Croissant 1.0; return its path.

    The format is that of https://docs.mlcommons.org/croissant, in JSON-LD. It tells name, licence,
    size and SHA-256 of the file; Croissant has no words for what is inside of HDF5.
    """
    path = contents.path
    genres = contents.tracks.loc[contents.usable, "genre"].nunique()
    names = ", ".join(f"{name} ({bands} x {n})" for name, (bands, n) in contents.features.items())
    about = {
        "@context": {
            "@language": "en",
            "@vocab": "https://schema.org/",
            "sc": "https://schema.org/",
            "cr": "http://mlcommons.org/croissant/",
            "dct": "http://purl.org/dc/terms/",
            "conformsTo": "dct:conformsTo",
        },
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": path.stem,
        "description": f"Features of {len(contents.usable)} tracks in {genres} genres, "
        f"{contents.corpus}, without audio: {names}.",
        "license": contents.licence,
        "version": contents.digest[:12],
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": path.name,
                "name": path.name,
                "contentUrl": path.name,
                "contentSize": f"{path.stat().st_size} B",
                "encodingFormat": "application/x-hdf5",
                "sha256": files.digest(path),
            }
        ],
    }
    beside = path.with_suffix(".croissant.json")
    write_text(beside, json.dumps(about, indent=1, ensure_ascii=False) + "\n")
    return beside


def unpack(path: Path, data: Path) -> Contents:
    """Verify a pack, all of it, and put it where the corpus ``pack`` finds it by its name.

    The data folder gets a copy in ``packs/``; one that is there already is only verified.

    Raises :class:`GenrelibError` when the pack is not what was packed, another one of that name is
    there, or the disk has no room.
    """
    path = Path(path).absolute()
    kept = installed(data) / path.name
    contents = verify(path)
    with locked(kept):
        if not kept.exists():
            remedy = "name the folder that holds the pack in GENRELIB_PACKS instead"
            size = path.stat().st_size
            check_room(kept.parent, size, what="the pack's features", remedy=remedy)
            with replacing(kept) as temporary:
                shutil.copyfile(path, temporary)
        elif verify(kept).digest != contents.digest:
            raise GenrelibError(
                f"{kept} is another pack of the same name; delete it, or rename {path.name}."
            )
    return read(kept)


def _without_folders(text: str) -> str:
    """Take absolute folders, logins and queries of links out of a text: they are of one user.

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
