"""Inspection: faults of the data, and what features tell before any system is built.

The kinds of fault are those that B. L. Sturm catalogued in GTZAN (arXiv:1306.1461, 2013); every
detector returns the table that :mod:`.audit` describes, and thresholds were chosen on renderings of
the controlled corpus that no reported number comes from. Artists, not tracks, are the independent
observations: tests average each artist first, probes are scored on artists that they have not seen,
and intervals resample artists. *Artist* means ``group`` where a corpus joins artists by duplicates.
"""

from .audit import ACTIONS, FAULTS, PAIRED, SIGNAL, against_titles, evaluate, gathered, manifest
from .search import copies, features_of, pairs, recordings
from .separability import (
    STATISTICS,
    alone_and_without,
    contrasting,
    feature_table,
    findings,
    fitted_folds,
    genre_means,
    genre_pairs,
    leak,
    probe,
    probe_scores,
    summaries,
)
from .tracks import facts, mislabels, signals, silences
