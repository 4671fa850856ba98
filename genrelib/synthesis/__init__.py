"""The controlled corpus: music rendered from known causes, with NumPy and SciPy alone.

:mod:`.styles` (genres and artists) -> :mod:`.composition` (songs and scores) -> :mod:`.rendering`;
:mod:`.recordings` plans what the corpus holds, faults included, and :mod:`.controlled` writes it.
"""

from .composition import compose
from .controlled import write_corpus
from .rendering import SR, render
from .styles import GENRES, make_artist
