"""Published files: fetched with their checksums, from the net or from a mirror of it."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import pooch
import requests

from ..base.errors import GenrelibError
from ..base.files import digest
from . import archives

MIRROR = "GENRELIB_MIRROR"
"""Environment variable that names a folder or a URL laid out as ``host/path``."""

RETRIES = 2
"""How often a failed download is tried again, after 1 s and then 2 s."""

TIMEOUT_S = 30
"""Seconds without an answer after which a try counts as failed."""


pooch.get_logger().setLevel("WARNING")  # its progress bar says what is fetched


def layout(url: str) -> str:
    """Return where a mirror keeps `url`: ``host/path``, without the query.

    Slashes in a row count as one, as in a file system.

    Examples
    --------
    >>> layout("https://zenodo.org/records/1/files/index.json?download=1")
    'zenodo.org/records/1/files/index.json'
    """
    parts = urlsplit(url)
    return "/".join([parts.netloc, *filter(None, parts.path.split("/"))])


def fetch(url: str, checksum: str, folder: Path) -> Path:
    """Return a local file that holds what was published at `url`.

    What is already there and right is not fetched again. With :data:`MIRROR` set, the mirror is
    the only place that is asked, and the same checksum holds; a file in a mirror folder is used
    where it lies.

    Parameters
    ----------
    url : str
        The published address (http or https).
    checksum : str
        ``"md5:..."``, ``"sha1:..."`` or ``"sha256:..."`` with hexadecimal digits.
    folder : Path
        Where downloads are kept, laid out as a mirror is: it can serve as one.

    Returns
    -------
    Path
        The verified file: in `folder`, or in the mirror's folder. Not to be written to.

    Raises
    ------
    GenrelibError
        When the mirror lacks the file, the download fails, or the checksum differs.
    """
    kept = Path(folder) / layout(url)
    if kept.is_file() and _seen(kept, checksum) == checksum:
        return kept
    mirror, is_address = mirror_of_downloads()
    if not mirror:
        return _download(url, url, checksum, kept)
    if is_address:
        return _download(f"{mirror.rstrip('/')}/{layout(url)}", url, checksum, kept)
    return _from_folder(Path(mirror.removeprefix("file://")).expanduser(), url, checksum)


def mirror_of_downloads() -> tuple[str, bool]:
    """Return what :data:`MIRROR` says, perhaps nothing, and whether it is an address."""
    mirror = os.environ.get(MIRROR, "").strip()
    return mirror, mirror.startswith(("http://", "https://"))


def obtain(url: str, checksum: str, downloads: Path, folder: Path) -> Path:
    """Fetch an archive and extract it; return `folder`. Nothing is done twice.

    Parameters
    ----------
    url, checksum : str
        As in :func:`fetch`.
    downloads : Path
        Where the archive is kept.
    folder : Path
        What to extract to. Once it is complete, the archive may be deleted.
    """
    if not archives.is_extracted(folder, checksum):
        archives.extract(fetch(url, checksum, downloads), folder, identity=checksum)
    return folder


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


def _download(address: str, url: str, checksum: str, kept: Path) -> Path:
    """Download to `kept`, which appears only when it is whole and right."""
    registry = pooch.create(
        path=kept.parent,
        base_url="",
        registry={kept.name: checksum},
        urls={kept.name: address},
        retry_if_failed=RETRIES,
    )
    downloader = pooch.HTTPDownloader(progressbar=True, chunk_size=2**16, timeout=TIMEOUT_S)
    try:
        return Path(registry.fetch(kept.name, downloader=downloader))
    except requests.exceptions.RequestException as error:
        place = f"the mirror's {address} (for {url})" if address != url else url
        raise GenrelibError(
            f"{place} can't be downloaded, tried {RETRIES + 1} times: {error}. Check the "
            f"connection, or set {MIRROR} to a folder or URL that holds {layout(url)}."
        ) from error
    except OSError as error:
        raise GenrelibError(
            f"{url} can't be written to {kept} ({error.strerror or error}); make room or choose "
            "another data folder."
        ) from error
    except ValueError as error:
        raise GenrelibError(
            f"{address} does not hold what was published at {url}: {error} Try again later, or "
            f"give the file through {MIRROR}; its checksum must be {checksum}."
        ) from error
