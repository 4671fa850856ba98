"""The fault audit: what is wrong with a corpus, found from the data, in one table with evidence.

The kinds of fault are those that Sturm catalogued in GTZAN [1]_. Every detector returns the table
that :mod:`.findings` describes; thresholds were chosen on renderings of the controlled corpus that
no reported number comes from.

.. [1] B. L. Sturm, "The GTZAN dataset: its contents, its faults, their effects on evaluation, and
   its future use", arXiv:1306.1461, 2013.
"""

from .alignment import recordings
from .findings import (
    ACTIONS,
    FAULTS,
    PAIRED,
    SIGNAL,
    against_titles,
    evaluate,
    gathered,
    manifest,
)
from .harmony import chroma_of, versions
from .labels import mislabels
from .search import copies, features_of, pairs
from .sound import facts, signals, silences

__all__ = [
    "ACTIONS",
    "FAULTS",
    "PAIRED",
    "SIGNAL",
    "against_titles",
    "chroma_of",
    "copies",
    "evaluate",
    "facts",
    "features_of",
    "gathered",
    "manifest",
    "mislabels",
    "pairs",
    "recordings",
    "signals",
    "silences",
    "versions",
]
