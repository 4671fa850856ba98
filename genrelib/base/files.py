"""Files that are whole or absent: atomic writes, locks, room, digests; where a study keeps what."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout
from tqdm import tqdm

from .errors import GenrelibError

# seconds until a file that another machine wrote is seen: NFS remembers for 60 that there was none
LATE_S = 90.0


@contextlib.contextmanager
def replacing(path: Path):
    """Yield a temporary name beside `path`; rename it to `path` when the block ends well.

    A block that fails or is interrupted leaves `path` as it was. The folder is created.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # not the process's number: two machines that write the same file may have the same
    temporary = path.with_name(f".{_brief(path)}.{uuid4().hex}.tmp{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _brief(path: Path) -> str:
    """Return what of a file's name leaves room for more: a name has 255 bytes."""
    return path.stem.encode("utf-8", "surrogateescape")[:120].decode("utf-8", "ignore")


def sweep(path: Path) -> None:
    """Delete what killed processes left of :func:`replacing`, while none other writes `path`."""
    path = Path(path)
    left = re.compile(rf"\.{re.escape(_brief(path))}\.[0-9a-f]+\.tmp{re.escape(path.suffix)}")
    if path.parent.is_dir():
        for beside in path.parent.iterdir():
            if left.fullmatch(beside.name):
                beside.unlink()


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def await_files(paths: Iterable[Path]) -> None:
    """Wait until files that workers have written are seen by this machine too, or raise."""
    missing, deadline = list(paths), time.monotonic() + LATE_S
    while missing := [path for path in missing if not path.exists()]:
        if time.monotonic() > deadline:
            raise GenrelibError(
                f"{len(missing)} files that workers wrote are not seen here, {missing[0]} among "
                "them; all machines need the project on shared storage, at the same path."
            )
        time.sleep(1)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time work on `path`, which need not exist; wait for the turn.

    The lock is the operating system's, on ``<path>.lock``, and ends with its process. The file
    stays, since deleting it would let two in at once. A thread must not take a lock that it holds.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        with tqdm(desc=f"waiting for another build of {path.name}", bar_format="{desc}"):
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def check_room(folder: Path, needed: int, *, what: str, remedy: str) -> None:
    """Raise the error when less than `needed` bytes are free where `folder` is or will be.

    `what` (a plural) needs them, and `remedy` tells what to do other than make room.
    """
    folder = Path(folder).absolute()
    there = next(known for known in (folder, *folder.parents) if known.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise GenrelibError(
            f"{what} need {needed / 1e9:.2f} GB, but {there} has {free / 1e9:.2f} GB free; make "
            f"room, or {remedy}."
        )


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Return the hexadecimal digest of a file by an algorithm that :mod:`hashlib` knows."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


@dataclass(frozen=True)
class Workspace:
    """Where one study reads and writes, below the project's root, which holds ``notebooks/``."""

    study: str
    root: Path

    @classmethod
    def find(cls, study: str) -> "Workspace":
        """Return the workspace of `study`: the nearest folder from here up that holds notebooks."""
        here = Path.cwd()
        for folder in (here, *here.parents):
            if (folder / "notebooks").is_dir() and (folder / "studies").is_dir():
                return cls(study, folder)
        raise GenrelibError(
            f"no folder with notebooks/ and studies/ at or above {here}; run from the project."
        )

    @property
    def data(self) -> Path:
        """Folder of downloaded or rendered audio and of feature stores."""
        return self.root / "data"

    @property
    def report(self) -> Path:
        """Folder of everything the study produces."""
        return self.root / "reports" / self.study

    @property
    def figures(self) -> Path:
        """Folder of the report's pictures."""
        return self.report / "figures"

    @property
    def tables(self) -> Path:
        """Folder of the report's tables, the data of each figure among them."""
        return self.report / "tables"

    @property
    def predictions(self) -> Path:
        """Folder of one CSV and one JSON per fit."""
        return self.report / "predictions"

    @property
    def models(self) -> Path:
        """Folder of fitted estimators that later notebooks use again."""
        return self.data / "models" / self.study

    def placed(self, options: dict[str, object]) -> dict[str, object]:
        """Return a corpus's options, files named from the project's root."""
        given = {name: options[name] for name in ("source", "manifest") if options.get(name)}
        places = {n: str(self.root / Path(str(file)).expanduser()) for n, file in given.items()}
        return options | places

    def feature_store(self, corpus: str, options: dict, clip_s: float) -> Path:
        """Name the feature store of a corpus and a clip length in seconds."""
        text = json.dumps(options, sort_keys=True)
        short = hashlib.sha256(text.encode()).hexdigest()[:8]
        return self.data / "features" / f"{corpus}-{short}-{clip_s:g}s.h5"
