"""Published files: fetched with their checksums, from the net or from a mirror of it.

A download that was cut goes on where it ended, as far as the server allows.
"""

import os
import re
import time
from pathlib import Path
from urllib.parse import urlsplit

import pooch
import requests
from tqdm import tqdm
from urllib3.exceptions import HTTPError

from .. import __version__
from ..base.errors import GenrelibError
from ..base.files import digest, locked, write_text

MIRROR = "GENRELIB_MIRROR"  # environment variable: a folder or a URL laid out as ``host/path``
RETRIES = 3  # how often it is tried again in a row without a byte gained, after 1 s, 2 s and 4 s
TIMEOUT_S = 30  # seconds without an answer after which a try counts as failed
PATIENCE_S, SLOWEST = 60.0, 1000  # seconds after which fewer bytes a second end a download
LONGEST_WAIT_S = 60.0  # seconds to wait at most where a server says when to come back
_CHUNK = 2**14  # what of a chunk has come when the connection is cut is lost
_AGENT = f"genrelib/{__version__} (python-requests/{requests.__version__})"
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # statuses that may be others a little later

pooch.get_logger().setLevel("WARNING")  # the progress bar says what is fetched


class _TryError(Exception):
    """A failure that may be gone at the next try, and after how many seconds to try again."""

    def __init__(self, reason: str, wait_s: float = 0.0):
        super().__init__(reason)
        self.wait_s = wait_s


class PassingError(GenrelibError):
    """What was tried failed too often, but may succeed another time."""


def layout(url: str) -> str:
    """Return where a mirror keeps `url`: ``host/path``, without the query.

    >>> layout("https://zenodo.org/records/1/files/index.json?download=1")
    'zenodo.org/records/1/files/index.json'
    """
    parts = urlsplit(url)
    return "/".join([parts.netloc, *filter(None, parts.path.split("/"))])


def fetch(url: str, checksum: str, folder: Path) -> Path:
    """Return a local file that holds what was published at `url`; it is not to be written to.

    What is there and right is not fetched again; a download that ended early goes on from there,
    now or at the next call. With :data:`MIRROR` set, only the mirror is asked, and the same
    checksum holds; a file in a mirror folder is used where it lies. `folder` is laid out as a
    mirror is: it can serve as one. `checksum` is ``"md5:..."``, ``"sha1:..."`` or ``"sha256:..."``.

    Raises :class:`GenrelibError` when the mirror lacks the file, the download fails, or the
    checksum differs.
    """
    kept = Path(folder) / layout(url)
    if kept.is_file() and _seen(kept, checksum) == checksum:
        return kept
    mirror, is_address = _mirror()
    if mirror and not is_address:
        return _from_folder(Path(mirror.removeprefix("file://")).expanduser(), url, checksum)
    address = f"{mirror.rstrip('/')}/{layout(url)}" if mirror else url

    found = "something else"

    def resumed(_address: str, target: str, _registry: object) -> None:
        nonlocal found
        _complete(address, _part(kept))
        found = _seen(_part(kept), checksum)
        os.replace(_part(kept), target)

    try:
        with locked(kept):
            pooch.retrieve(address, checksum, fname=kept.name, path=kept.parent, downloader=resumed)
    except GenrelibError as error:  # a ValueError too
        if not mirror:
            raise
        raise type(error)(f"{error} It stands for {url}, as {MIRROR} says.") from error
    except OSError as error:
        raise GenrelibError(
            f"{url} can't be written to {kept} ({error.strerror or error}); make room or choose "
            "another data folder."
        ) from error
    except ValueError as error:
        raise GenrelibError(
            f"{address} holds something with the checksum {found}; published at {url} is "
            f"{checksum}. Try again later, or give the file through {MIRROR}."
        ) from error
    return kept


def wanting_bytes(url: str, folder: Path, n_bytes: int) -> int:
    """Return how many bytes :func:`fetch` would still write of a file of `n_bytes`."""
    kept = Path(folder) / layout(url)
    mirror, is_address = _mirror()
    if kept.is_file() or (mirror and not is_address):
        return 0
    return max(0, n_bytes - _size(_part(kept)))


def bring(url: str, path: Path, *, most_bytes: int | None = None) -> None:
    """Download a file of unknown content, which appears only when it is whole.

    What has come so far waits in ``<path>.part``. It is gone on with where the server says, by an
    ETag or a date of change, that it still has the same file; otherwise it is begun anew. One
    process at a time may bring the same file.

    Raises :class:`PassingError` when the server fails too often, or is not reached. Raises
    :class:`GenrelibError` when the server refuses, or sends more than `most_bytes`, and when it or
    `url` names an address that is none.
    """
    path = Path(path)
    _complete(url, _part(path), most_bytes, shows_progress=False)
    os.replace(_part(path), path)


def _complete(url: str, part: Path, most_bytes: int | None = None, shows_progress=True) -> None:
    """Go on with a download until all of it is in `part`."""
    part.parent.mkdir(parents=True, exist_ok=True)
    failures, most = 0, _size(part)
    while True:
        try:
            _go_on(url, part, most_bytes, shows_progress)
            break
        except GenrelibError:
            raise
        except ValueError as error:  # of requests and of urllib3, for the address or a redirect
            raise GenrelibError(f"{url} leads to no address ({error}); correct it.") from error
        except (_TryError, requests.exceptions.RequestException, HTTPError) as error:
            failures = 1 if _size(part) > most else failures + 1
            most = max(most, _size(part))
            if failures > RETRIES:
                raise PassingError(
                    f"{url} can't be downloaded, tried {failures} times without a byte gained: "
                    f"{error}. Check the connection and try again: what has come is kept."
                ) from error
            time.sleep(max(getattr(error, "wait_s", 0.0), 2.0 ** (failures - 1)))
    _tag(part).unlink(missing_ok=True)


def _mirror() -> tuple[str, bool]:
    """Return what :data:`MIRROR` says, perhaps nothing, and whether it is an address."""
    mirror = os.environ.get(MIRROR, "").strip()
    return mirror, mirror.startswith(("http://", "https://"))


def _seen(path: Path, checksum: str) -> str:
    """Return the checksum that a file really has, written like the expected one."""
    algorithm = checksum.partition(":")[0]
    return f"{algorithm}:{digest(path, algorithm)}"


def _from_folder(mirror: Path, url: str, checksum: str) -> Path:
    """Return the mirror folder's own copy, verified."""
    mirror = Path(os.path.abspath(mirror))
    path = mirror / layout(url)
    if not path.is_file():
        wanting = "does not hold it" if mirror.is_dir() else "is not a folder"
        raise GenrelibError(
            f"{url} was looked for in the mirror at {path}, but the mirror {wanting}. "
            f"Put the file there, correct {MIRROR}={os.environ[MIRROR]!r}, or unset it to download "
            "from the published address."
        )
    seen = _seen(path, checksum)
    if seen != checksum:
        raise GenrelibError(
            f"{path}, the mirror's copy of {url}, has the checksum {seen}; published is "
            f"{checksum}. Replace the mirror's copy; it is not used."
        )
    return path


def _go_on(url: str, part: Path, most_bytes: int | None, shows_progress: bool) -> None:
    """Ask once for what is wanting; raise when less than all of it comes."""
    tag = _tag(part)
    offset = _size(part) if tag.is_file() else 0
    headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"}
    if offset:
        headers |= {"Range": f"bytes={offset}-", "If-Range": tag.read_text(encoding="utf-8")}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as answer:
        total = _total(answer)
        if answer.status_code == 416 and total == offset:
            return
        if answer.status_code == 416 or (answer.status_code == 206 and not offset):
            part.unlink(missing_ok=True)
            raise _TryError(f"the server's range does not fit (status {answer.status_code})")
        _refuse_status(url, answer)
        ranged = answer.headers.get("Content-Range", "")
        if answer.status_code == 206 and not ranged.startswith(f"bytes {offset}-"):
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
        started, came = time.monotonic(), 0
        while chunk := answer.raw.read1(_CHUNK):
            file.write(chunk)
            bar.update(len(chunk))
            _refuse_large(url, file.tell(), most_bytes)
            came, seconds = came + len(chunk), time.monotonic() - started
            if seconds > PATIENCE_S and came < SLOWEST * seconds:
                raise PassingError(
                    f"{url}: {came} bytes came in {seconds:.0f} s, fewer than {SLOWEST} a second; "
                    "try again later: what has come is kept."
                )


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


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _tag(part: Path) -> Path:
    """Return where it is kept what tells the server's file from another: an ETag or a date."""
    return part.with_name(f"{part.name}.tag")
