"""Separability: what features tell about genres, before any system is built.

Everything here works on summaries of tracks (:func:`summaries`): mean and deviation over time of
each row of a feature, or its value where there is a single frame. Artists, not tracks, are the
independent observations: tests average each artist first, probes and pictures are scored on
artists that they have not seen, and intervals resample artists. Where a corpus joins artists by
duplicates, *artist* means its ``group``.
"""

from .families import alone_and_without, importances
from .findings import findings
from .probes import Folds, fitted_folds, leak, pairs, probe, probe_scores
from .projections import lda_plane, nearest_shares, pca_planes
from .rows import FALSE_DISCOVERY_RATE, genre_means, mutual_information, row_tests
from .summaries import STATISTICS, contrasting, feature_table, summaries

__all__ = [
    "FALSE_DISCOVERY_RATE",
    "STATISTICS",
    "Folds",
    "alone_and_without",
    "contrasting",
    "feature_table",
    "findings",
    "fitted_folds",
    "genre_means",
    "importances",
    "lda_plane",
    "leak",
    "mutual_information",
    "nearest_shares",
    "pairs",
    "pca_planes",
    "probe",
    "probe_scores",
    "row_tests",
    "summaries",
]
