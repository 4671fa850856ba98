"""librosa, its compiled functions on disk before two processes need them at once.

numba compiles librosa's ``@guvectorize`` functions at import and keeps them on disk. Processes that
do so side by side can leave a file that crashes its readers (numba issue 10128, open). So one
process does it, once per installation; the package takes librosa from here.
"""

import importlib
import tempfile
from hashlib import sha256
from pathlib import Path

import librosa

from ..base.files import locked, write_text

__all__ = ["librosa"]


def _compile_once() -> None:
    installed = Path(librosa.__file__)
    identity = f"{Path.home()} {installed} {installed.stat().st_ctime_ns}"
    key = sha256(identity.encode()).hexdigest()[:16]
    done = Path(tempfile.gettempdir()) / f"genrelib-compiled-{key}"
    if done.exists():
        return
    with locked(done):
        if not done.exists():
            for name in ("librosa.util.utils", "librosa.util.matching", "librosa.beat"):
                importlib.import_module(name)
            write_text(done, identity)


_compile_once()
