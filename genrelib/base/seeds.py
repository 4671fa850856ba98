"""Random draws: every generator is derived from the study's seed by name."""

import hashlib
import json

import numpy as np


def derive(seed: int, *names: object) -> int:
    """Derive a 32-bit seed from the study's seed and a path of names.

    Parameters
    ----------
    seed : int
        The study's seed.
    *names : object
        What the draw is for; their ``str`` counts, and so does their order.

    Returns
    -------
    int
        In ``[0, 2**32)``, the same on every machine and in every process.

    Examples
    --------
    >>> derive(0, "svm", "artist_grouped", 3) == derive(0, "svm", "artist_grouped", 3)
    True
    """
    text = json.dumps([int(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def rng(seed: int, *names: object) -> np.random.Generator:
    """Return a NumPy generator seeded by :func:`derive`."""
    return np.random.default_rng(derive(seed, *names))
