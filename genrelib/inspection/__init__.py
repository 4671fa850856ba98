"""Inspection: faults of the data, and what features tell before any system is built.

The kinds of fault are those that Sturm catalogued in GTZAN [1]_. Every detector returns the table
that :mod:`.audit` describes; thresholds were chosen on renderings of the controlled corpus that no
reported number comes from.

What features tell is measured on summaries of tracks (:func:`summaries`): mean and deviation over
time of each row of a feature. Artists, not tracks, are the independent observations: tests average
each artist first, probes are scored on artists that they have not seen, and intervals resample
artists. Where a corpus joins artists by duplicates, *artist* means its ``group``.

.. [1] B. L. Sturm, "The GTZAN dataset: its contents, its faults, their effects on evaluation, and
   its future use", arXiv:1306.1461, 2013.
"""

from .alignment import recordings
from .audit import ACTIONS, FAULTS, PAIRED, SIGNAL, against_titles, evaluate, gathered, manifest
from .findings import findings
from .labels import mislabels
from .probes import (
    Folds,
    alone_and_without,
    fitted_folds,
    genre_pairs,
    leak,
    probe,
    probe_scores,
)
from .rows import FALSE_DISCOVERY_RATE, genre_means, row_tests
from .search import copies, features_of, pairs
from .sound import facts, signals, silences
from .summaries import STATISTICS, contrasting, feature_table, summaries

__all__ = [
    "ACTIONS",
    "FALSE_DISCOVERY_RATE",
    "FAULTS",
    "PAIRED",
    "SIGNAL",
    "STATISTICS",
    "Folds",
    "against_titles",
    "alone_and_without",
    "contrasting",
    "copies",
    "evaluate",
    "facts",
    "feature_table",
    "features_of",
    "findings",
    "fitted_folds",
    "gathered",
    "genre_means",
    "genre_pairs",
    "leak",
    "manifest",
    "mislabels",
    "pairs",
    "probe",
    "probe_scores",
    "recordings",
    "row_tests",
    "signals",
    "silences",
    "summaries",
]
