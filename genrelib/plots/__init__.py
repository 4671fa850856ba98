"""Figures: every picture of the study, with fixed colours and order of genres.

Nothing is saved here: :func:`genrelib.report.save_figure` does that, with the data beside it.
"""

from .look import genre_colours, style
from .music import (
    band_means,
    corpus_counts,
    family_scores,
    gallery,
    pair_separation,
    pictures,
    probe_accuracies,
    row_effects,
    show_feature,
)
from .results import (
    accuracies,
    cause_drops,
    confusions,
    costs,
    cross_collection,
    deletion_curves,
    family_drops,
    growth,
    leakage_steps,
    learning_curves,
    randomisation,
    ranking,
    recalls,
    recordings,
    reliability,
    risk_coverage,
    robustness,
)

__all__ = [
    "accuracies",
    "band_means",
    "cause_drops",
    "confusions",
    "corpus_counts",
    "costs",
    "cross_collection",
    "deletion_curves",
    "family_drops",
    "family_scores",
    "gallery",
    "genre_colours",
    "growth",
    "leakage_steps",
    "learning_curves",
    "pair_separation",
    "pictures",
    "probe_accuracies",
    "randomisation",
    "ranking",
    "recalls",
    "recordings",
    "reliability",
    "risk_coverage",
    "robustness",
    "row_effects",
    "show_feature",
    "style",
]
