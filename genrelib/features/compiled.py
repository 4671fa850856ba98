"""librosa, its compiled functions on disk before two processes need them at once.

numba compiles librosa's ``@guvectorize`` functions at import and keeps them on disk. Processes that
do so side by side can leave a file that crashes its readers (numba issue 10128, open). So one
process does it, once per installation; the package takes librosa from here.
"""

import importlib
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import ModuleType

import librosa

from ..base.files import locked, write_text

__all__ = ["beat_module", "librosa"]


@cache
def beat_module() -> ModuleType:
    """Return :mod:`librosa.beat`, all that is compiled in it kept on disk.

    librosa leaves one function out, which each process would compile anew in five seconds.
    """
    import numba  # takes a third of a second, and most processes need none

    def kept(*args, **options):
        return guvectorize(*args, **{**options, "cache": True})

    guvectorize, numba.guvectorize = numba.guvectorize, kept
    try:
        return importlib.import_module("librosa.beat")
    finally:
        numba.guvectorize = guvectorize


def _compile_once() -> None:
    installed = Path(librosa.__file__)
    identity = f"{Path.home()} {installed} {installed.stat().st_ctime_ns}"
    key = sha256(identity.encode()).hexdigest()[:16]
    done = Path(tempfile.gettempdir()) / f"genrelib-librosa-{key}"
    if done.exists():
        return
    with locked(done):
        if not done.exists():
            for name in ("librosa.util.utils", "librosa.util.matching"):
                importlib.import_module(name)
            beat_module()
            write_text(done, identity)


_compile_once()
