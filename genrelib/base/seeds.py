"""Random draws: every generator is derived from the study's seed by name."""

import hashlib
import json

import numpy as np


def derive(seed: int, *names: object) -> int:
    """Derive a seed in ``[0, 2**32)`` from the study's seed and names, the same on every machine.

    >>> derive(0, "svm", "artist_grouped", 3) == derive(0, "svm", "artist_grouped", 3)
    True
    """
    text = json.dumps([int(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def rng(seed: int, *names: object) -> np.random.Generator:
    """Return a NumPy generator seeded by :func:`derive`."""
    return np.random.default_rng(derive(seed, *names))
