"""Long downloads: what was cut goes on where it ended, as far as the server allows."""

import os
import re
import time
from pathlib import Path

import requests
from tqdm import tqdm

from .. import __version__
from ..base.errors import GenrelibError
from ..base.files import digest, locked, write_text
from . import download

RETRIES = 3
"""How often it is tried again in a row without a byte gained, after 1 s, 2 s and 4 s."""

LONGEST_WAIT_S = 60.0
"""Seconds to wait at most where a server says when to come back."""

_CHUNK = 2**14  # what of a chunk has come when the connection is cut is lost
_AGENT = f"genrelib/{__version__} (python-requests/{requests.__version__})"
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # statuses that may be others a little later


class _TryError(Exception):
    """A failure that may be gone at the next try, and after how many seconds to try again."""

    def __init__(self, reason: str, wait_s: float = 0.0):
        super().__init__(reason)
        self.wait_s = wait_s


class PassingError(GenrelibError):
    """What was tried failed too often, but may succeed another time."""


def fetch(url: str, checksum: str, folder: Path) -> Path:
    """Return a local file that holds what was published at `url`, as :func:`.download.fetch`.

    A download that ended early goes on from there, now or at the next call.

    Parameters
    ----------
    url, checksum, folder
        As for :func:`.download.fetch`; so is the mirror.

    Returns
    -------
    Path
        The verified file.

    Raises
    ------
    GenrelibError
        When it can't be downloaded, or the checksum differs.
    """
    kept = Path(folder) / download.layout(url)
    mirror, is_address = download.mirror_of_downloads()
    if mirror and not is_address:
        return download.fetch(url, checksum, folder)
    with locked(kept):
        if not (kept.is_file() and _seen(kept, checksum) == checksum):
            address = f"{mirror.rstrip('/')}/{download.layout(url)}" if mirror else url
            bring(address, kept, checksum=checksum)
    return kept


def wanting_bytes(url: str, folder: Path, n_bytes: int) -> int:
    """Return how many bytes :func:`fetch` would still write of a file of `n_bytes`."""
    kept = Path(folder) / download.layout(url)
    mirror, is_address = download.mirror_of_downloads()
    if kept.is_file() or (mirror and not is_address):
        return 0
    return max(0, n_bytes - _size(_part(kept)))


def bring(
    url: str,
    path: Path,
    *,
    checksum: str = "",
    most_bytes: int | None = None,
    shows_progress: bool = True,
) -> None:
    """Download a file, which appears only when it is whole and right.

    What has come so far waits in ``<path>.part``. It is gone on with where the server says, by an
    ETag or a date of change, that it still has the same file; otherwise it is begun anew. One
    process at a time may bring the same file.

    Parameters
    ----------
    url : str
        Where it is (http or https).
    path : Path
        Where to. What is there is replaced.
    checksum : str
        As ``"sha1:..."``; nothing is verified without.
    most_bytes : int, optional
        What is larger is refused.
    shows_progress : bool
        Whether there is a progress bar.

    Raises
    ------
    PassingError
        When the server fails too often, or is not reached.
    GenrelibError
        When the server refuses, or sends something larger or other than expected, and when it or
        `url` names an address that is none.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _part(path)
    failures, most = 0, _size(part)
    while True:
        try:
            _go_on(url, part, most_bytes, shows_progress)
            break
        except GenrelibError:
            raise
        except ValueError as error:  # of requests and of urllib3, for the address or a redirect
            raise GenrelibError(f"{url} leads to no address ({error}); correct it.") from error
        except (_TryError, requests.exceptions.RequestException) as error:
            failures = 1 if _size(part) > most else failures + 1
            most = max(most, _size(part))
            if failures > RETRIES:
                raise PassingError(
                    f"{url} can't be downloaded, tried {failures} times without a byte gained: "
                    f"{error}. Check the connection and try again: what has come is kept."
                ) from error
            time.sleep(max(getattr(error, "wait_s", 0.0), 2.0 ** (failures - 1)))
    seen = _seen(part, checksum)
    _tag(part).unlink(missing_ok=True)
    if seen != checksum:
        part.unlink()
        raise GenrelibError(
            f"{url} holds something with the checksum {seen}; published is {checksum}. Try again "
            f"later, or give the file through {download.MIRROR}."
        )
    os.replace(part, path)


def _go_on(url: str, part: Path, most_bytes: int | None, shows_progress: bool) -> None:
    """Ask once for what is wanting; raise when less than all of it comes."""
    tag = _tag(part)
    offset = _size(part) if tag.is_file() else 0
    headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"}
    if offset:
        headers |= {"Range": f"bytes={offset}-", "If-Range": tag.read_text(encoding="utf-8")}
    with requests.get(url, headers=headers, stream=True, timeout=download.TIMEOUT_S) as answer:
        total = _total(answer)
        if answer.status_code == 416 and total == offset:
            return
        if answer.status_code == 416 or (answer.status_code == 206 and not offset):
            part.unlink(missing_ok=True)
            raise _TryError(f"the server's range does not fit (status {answer.status_code})")
        _refuse_status(url, answer)
        if answer.status_code == 206 and not _begins_at(offset, answer):
            part.unlink()
            raise _TryError("the server sent another range than was asked for")
        offset = offset if answer.status_code == 206 else 0
        known = answer.headers.get("ETag", "") or answer.headers.get("Last-Modified", "")
        if known and not known.startswith("W/"):  # a weak tag does not stand for the same bytes
            write_text(tag, known)
        else:
            tag.unlink(missing_ok=True)
        _refuse_large(url, total, most_bytes)
        _write(url, answer, part, offset, total, most_bytes, shows_progress)
    if total is not None and _size(part) != total:
        raise _TryError(f"{_size(part)} bytes came of {total}")


def _write(url, answer, part: Path, offset, total, most_bytes, shows_progress) -> None:
    """Append what comes to the part, or begin it anew."""
    size = {"total": total, "initial": offset, "unit": "B", "unit_scale": True}
    bar = tqdm(**size, desc=part.stem, disable=not shows_progress)
    with bar, open(part, "ab" if offset else "wb") as file:
        for chunk in answer.iter_content(_CHUNK):
            file.write(chunk)
            bar.update(len(chunk))
            _refuse_large(url, file.tell(), most_bytes)


def _begins_at(offset: int, answer: requests.Response) -> bool:
    return answer.headers.get("Content-Range", "").startswith(f"bytes {offset}-")


def _total(answer: requests.Response) -> int | None:
    """Return the size of the whole file as the server states it, if it does."""
    ranged = re.fullmatch(r"bytes [^/]*/(\d+)", answer.headers.get("Content-Range", ""))
    length = answer.headers.get("Content-Length", "")
    if ranged:
        return int(ranged[1])
    return int(length) if length.isdigit() and answer.status_code == 200 else None


def _refuse_status(url: str, answer: requests.Response) -> None:
    """Raise what a status other than success means."""
    said = f"status {answer.status_code} {answer.reason or ''}".strip()
    if answer.status_code in _PASSING:
        after = answer.headers.get("Retry-After", "")
        wait_s = min(float(after), LONGEST_WAIT_S) if after.isdigit() else 0.0
        raise _TryError(said, wait_s)
    if answer.status_code not in (200, 206):
        raise GenrelibError(f"{url} can't be downloaded ({said}); correct the address.")


def _refuse_large(url: str, size: int | None, most_bytes: int | None) -> None:
    if most_bytes is not None and size is not None and size > most_bytes:
        raise GenrelibError(
            f"{url} is larger than {most_bytes / 1e6:g} MB, {size / 1e6:.1f} MB or more; give the "
            "address of something smaller."
        )


def _seen(path: Path, checksum: str) -> str:
    """Return the checksum that a file really has, written like the expected one."""
    algorithm = checksum.partition(":")[0]
    return f"{algorithm}:{digest(path, algorithm)}" if algorithm else ""


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _tag(part: Path) -> Path:
    """Return where it is kept what tells the server's file from another: an ETag or a date."""
    return part.with_name(f"{part.name}.tag")
