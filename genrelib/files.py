"""Files that are whole or absent: atomic writes, digests, and where a study keeps what."""

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from .errors import GenrelibError


@contextlib.contextmanager
def replacing(path: Path):
    """Yield a temporary name beside `path`; rename it to `path` when the block ends well.

    An interrupted or failing block leaves `path` as it was.

    Parameters
    ----------
    path : Path
        The file to write. Its folder is created.

    Yields
    ------
    Path
        The temporary file, with the suffix of `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Return the hexadecimal digest of a file's bytes.

    Parameters
    ----------
    path : Path
        The file to read.
    algorithm : str
        A name that :mod:`hashlib` knows.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


@dataclass(frozen=True)
class Workspace:
    """Where one study reads and writes, below the project's root.

    Parameters
    ----------
    study : str
        The study's name, the folder's name under ``reports/``.
    root : Path
        The folder that holds ``notebooks/`` and ``studies/``.
    """

    study: str
    root: Path

    @classmethod
    def find(cls, study: str) -> "Workspace":
        """Return the workspace of `study` around the current folder.

        Raises
        ------
        GenrelibError
            When neither the current folder nor one above it holds ``notebooks/`` and ``studies/``.
        """
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

    def feature_store(self, corpus: str, options: dict, clip_s: float) -> Path:
        """Name the feature store of a corpus and a clip length in seconds."""
        text = json.dumps(options, sort_keys=True)
        short = hashlib.sha256(text.encode()).hexdigest()[:8]
        return self.data / "features" / f"{corpus}-{short}-{clip_s:g}s.h5"
