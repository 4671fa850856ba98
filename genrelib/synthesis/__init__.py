"""The controlled corpus: music rendered from known causes, with NumPy and SciPy alone.

styles -> composition -> arrangement -> rendering, and artists who produce; recordings plans what
the corpus holds, faults included, and controlled writes it.
"""

from .artists import make_artist
from .composition import compose
from .controlled import write_corpus
from .rendering import SR, Stage, cover, genre_swap, live, render
from .styles import GENRES

__all__ = [
    "GENRES",
    "SR",
    "Stage",
    "compose",
    "cover",
    "genre_swap",
    "live",
    "make_artist",
    "render",
    "write_corpus",
]
