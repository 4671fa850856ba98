"""Archives (zip, tar): extracted without trusting what they say of paths, whole or resumed."""

import contextlib
import json
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from tqdm import tqdm

from ..base.errors import GenrelibError
from ..base.files import check_room, replacing, write_text

MARKER = ".extracted.json"  # in an extracted folder: which archive, and the size of each member
MOST_MEMBERS = 1_000_000
MOST_NAME = 1_000  # characters of a member's path
MOST_RATIO = 200  # bytes of members for each byte of an archive
_FREELY = 2**28  # bytes that any archive may hold, however small it is

_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError)


@dataclass(frozen=True)
class _Member:
    """One regular file of an archive."""

    name: str
    size: int
    open: Callable[[], BinaryIO]


def is_stray(name: str) -> bool:
    """Whether a path leads to something hidden or left behind by a system: no track by any name.

    >>> is_stray("blues/._blues.00000.wav"), is_stray("a/b.wav")
    (True, False)
    """
    left = ("__MACOSX", "Thumbs.db", "desktop.ini")
    return any(part.startswith(".") or part in left for part in PurePosixPath(name).parts)


def is_extracted(folder: Path, identity: str) -> bool:
    """Whether `folder` holds every member, in its size, of the archive named by `identity`."""
    marker = _marker(folder)
    is_same = marker.get("identity") == identity
    return is_same and all(_has(folder / name, size) for name, size in marker["sizes"].items())


def extract(archive: Path, folder: Path, *, identity: str) -> Path:
    """Extract an archive, a zip or a tar, below `folder`, showing progress; return `folder`.

    Every file appears whole or not at all, and :data:`MARKER` says which there should be: after an
    interruption, or when files were deleted or cut, a second call writes what is wanting. Stray
    members (:func:`is_stray`) are left out. The archive is read through before anything is written.
    `identity` tells this archive from another, as its checksum does: what was extracted in `folder`
    from another one is deleted first.

    Raises :class:`GenrelibError` when the archive is broken, too large for the disk, or holds a
    member that is absolute, leads out of `folder`, or is neither a file nor a folder.
    """
    folder = Path(folder)
    with _opened(archive) as members:
        _refuse_bomb(archive, members)
        sizes = {member.name: member.size for member in members}
        same = _marker(folder).get("identity") == identity
        if not same and (folder / MARKER).exists():
            shutil.rmtree(folder)
        wanted = [m for m in members if not (same and _has(folder / m.name, m.size))]
        total = sum(member.size for member in wanted)
        what, remedy = f"the files of {archive}", "choose another data folder"
        check_room(folder, total, what=what, remedy=remedy)
        write_text(folder / MARKER, json.dumps({"identity": identity, "sizes": sizes}, indent=0))
        with tqdm(total=total, unit="B", unit_scale=True, desc=f"extracting {archive.name}") as bar:
            for member in wanted:
                _write(member, folder / member.name)
                bar.update(member.size)
    return folder


def _refuse_bomb(archive: Path, members: list[_Member]) -> None:
    """Refuse what is far larger outside than inside: no recording is."""
    total, size = sum(member.size for member in members), archive.stat().st_size
    if total > max(_FREELY, MOST_RATIO * size) or len(members) > MOST_MEMBERS:
        raise GenrelibError(
            f"{archive} of {size / 1e6:.1f} MB holds {len(members)} members of {total / 1e6:.0f} "
            f"MB; allowed are {MOST_MEMBERS} members and {MOST_RATIO} times its size. Nothing was "
            "extracted: get the archive from its publisher."
        )


def _has(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _marker(folder: Path) -> dict:
    """Return what the marker says, or nothing when there is none or it is damaged."""
    try:
        marker = json.loads((Path(folder) / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return marker if isinstance(marker, dict) and {"identity", "sizes"} <= set(marker) else {}


def _write(member: _Member, path: Path) -> None:
    with member.open() as source, replacing(path) as temporary:
        with open(temporary, "wb") as target:
            shutil.copyfileobj(source, target, 2**20)
        if temporary.stat().st_size != member.size:
            raise EOFError(f"{member.name} ends early")


@contextlib.contextmanager
def _opened(archive: Path) -> Iterator[list[_Member]]:
    """Yield the safe members of an archive; turn its errors into ones for people."""
    archive = Path(archive)
    if not archive.is_file():
        raise GenrelibError(f"{archive} is not a file; give a zip or tar archive.")
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                yield list(_zip_members(opened))
        else:
            with tarfile.open(archive, tarinfo=_TarInfo) as opened:
                yield list(_tar_members(opened))
    except GenrelibError:
        raise
    # RuntimeError, NotImplementedError: zipfile's answers to passwords and unknown compression
    except (*_BROKEN, RuntimeError, NotImplementedError) as error:
        raise GenrelibError(
            f"{archive} can't be extracted ({error or type(error).__name__}); it must be a whole "
            "zip or tar archive, without a password: download it again."
        ) from error


def _zip_members(opened: zipfile.ZipFile) -> Iterator[_Member]:
    for info in opened.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        name = _safe(info.filename, opened.filename, kind in (0, stat.S_IFREG, stat.S_IFDIR))
        if not info.is_dir() and not is_stray(name):
            yield _Member(name, info.file_size, lambda info=info: opened.open(info))


_HEADERS = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)


class _TarInfo(tarfile.TarInfo):
    """A member whose header may not be longer than a name can be: it is read into memory."""

    def _proc_member(self, opened):
        is_header = self.type not in tarfile.SUPPORTED_TYPES or self.type in _HEADERS
        if is_header and self.size > 64 * MOST_NAME:
            raise tarfile.ReadError(f"a member's header of {self.size} bytes")
        return super()._proc_member(opened)


def _tar_members(opened: tarfile.TarFile) -> Iterator[_Member]:
    members = opened.getmembers()
    opened.fileobj.seek(opened.offset)
    if len(opened.fileobj.read(tarfile.BLOCKSIZE)) < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("it ends without the mark of its end")
    for info in members:
        is_plain = (info.isfile() or info.isdir()) and not info.issparse()
        name = _safe(info.name, opened.name, is_plain)
        if info.isfile() and not is_stray(name):
            yield _Member(name, info.size, lambda info=info: opened.extractfile(info))


def _safe(name: str, archive: str, plain: bool) -> str:
    """Return a member's path in normal form, or refuse the archive that holds it."""
    parts = PurePosixPath(name).parts
    if len(name) > MOST_NAME or len(PurePosixPath(name).name.encode()) > 255:
        raise GenrelibError(
            f"{archive} holds a member whose path has {len(name)} characters, {name[:60]!r}...; "
            f"{MOST_NAME} and 255 bytes of each name are allowed. Nothing was extracted: pack it "
            "again with shorter names."
        )
    if "\\" in name:
        raise GenrelibError(
            f"{archive} holds the member {name!r}: backslashes, which some programs write in place "
            "of slashes, mean another file on each system; nothing was extracted. Extract it with "
            "the program that made it, and name the folder, or pack it again."
        )
    leads_out = name.startswith("/") or ".." in parts or ":" in name.split("/")[0]
    if leads_out or not plain:
        fault = "leads out of its folder" if leads_out else "is neither a file nor a folder"
        raise GenrelibError(
            f"{archive} holds the member {name!r}, which {fault}; nothing was extracted. Only "
            "plain files and folders with relative paths are accepted: get the archive from its "
            "publisher."
        )
    return "/".join(parts)
