"""Links that people give, fetched one by one: slowly, not twice, dead ones not again at once."""

import hashlib
import time
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from tqdm import tqdm

from ..audio import SUFFIXES, inspect
from ..errors import GenrelibError
from ..files import digest, locked, write_text
from . import resuming
from .decoding import quiet

MOST_BYTES = 200_000_000
"""What is larger is no song: a radio station never ends."""

AGAIN_AFTER_S = {"failed": 24 * 3600.0, "passing": 3600.0}
"""Seconds for which a link is not asked for again: refused, or failed as any may for a while."""


def fetch_all(urls: Iterable[str], folder: Path, *, pause_s: float) -> dict[str, Path | str]:
    """Fetch links in their order, one at a time.

    What is there is not fetched again; what was cut goes on where it ended. A link that was refused
    or holds no audio is not asked for again within a day, one whose server could not be reached or
    failed within an hour, unless its ``.failed`` or ``.passing`` file in `folder` is deleted.

    Parameters
    ----------
    urls : iterable of str
        Addresses (http or https); repeated ones are fetched once.
    folder : Path
        Where they are kept, each under a digest of its address.
    pause_s : float >= 0
        Seconds between the end of one download and the next request to the same host.

    Returns
    -------
    dict of str to (Path or str)
        For each link its file, or why there is none, in words.
    """
    urls = list(dict.fromkeys(urls))
    found: dict[str, Path | str] = {}
    ended: dict[str, float] = {}
    with locked(Path(folder) / "links"):
        for url in tqdm(urls, desc="fetching links", disable=not urls):
            path = place(url, folder)
            known = _known(path)
            if known is None:
                host = urlsplit(url).netloc
                time.sleep(max(0.0, ended.get(host, -pause_s) + pause_s - time.monotonic()))
                known = _fetch(url, path)
                ended[host] = time.monotonic()
            found[url] = known
    return found


def place(url: str, folder: Path) -> Path:
    """Return where the file of a link is kept."""
    suffix = PurePosixPath(urlsplit(url).path).suffix.lower()
    name = hashlib.sha256(url.encode()).hexdigest()[:20]
    return Path(folder) / f"{name}{suffix if suffix in SUFFIXES else ''}"


def md5_of(path: Path) -> str:
    """Return the md5 of a fetched file, as it was when it came."""
    return _beside(path, "md5").read_text(encoding="utf-8")


def _known(path: Path) -> Path | str | None:
    """Return what earlier calls found, or None when the link is to be asked for."""
    if path.is_file() and _beside(path, "md5").is_file():
        return path
    for ending, seconds in AGAIN_AFTER_S.items():
        failed = _beside(path, ending)
        if failed.is_file() and time.time() - failed.stat().st_mtime < seconds:
            return failed.read_text(encoding="utf-8")
    return None


def _fetch(url: str, path: Path) -> Path | str:
    """Ask for a link, and write down what came of it."""
    for ending in AGAIN_AFTER_S:
        _beside(path, ending).unlink(missing_ok=True)
    try:
        resuming.bring(url, path, most_bytes=MOST_BYTES, shows_progress=False)
        _refuse_other_than_audio(url, path)
    except GenrelibError as error:
        ending = "passing" if isinstance(error, resuming.PassingError) else "failed"
        again = _beside(path, ending)
        hours = AGAIN_AFTER_S[ending] / 3600
        reason = f"{error} Asked for again after {hours:g} h, or once {again.name} is deleted."
        write_text(again, reason)
        return reason
    write_text(_beside(path, "md5"), digest(path, "md5"))
    return path


def _refuse_other_than_audio(url: str, path: Path) -> None:
    """Keep no page that a server sent in the place of a song."""
    try:
        with quiet():
            inspect(path)
    except GenrelibError as error:
        reason = str(error).replace(f"{path} ", "")
        path.unlink()
        raise GenrelibError(f"{url} holds no song that can be read: it {reason}") from error


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f"{path.name}.{ending}")
