"""Figures: every picture of the study, with fixed colours and order of genres.

Nothing is saved here: :func:`genrelib.report.save_figure` does that, with the data beside it.
"""

from .explanations import (
    attention,
    attributions,
    cause_drops,
    deletion_curves,
    family_drops,
    randomisation,
    recordings,
    robustness,
)
from .look import genre_colours, style
from .music import band_means, corpus_counts, gallery, show_feature
from .results import (
    accuracies,
    confusions,
    costs,
    cross_collection,
    growth,
    leakage_steps,
    learning_curves,
    pictures,
    ranking,
    recalls,
    reliability,
    risk_coverage,
)
from .separability import (
    family_scores,
    pair_separation,
    planes,
    probe_accuracies,
    row_effects,
    row_importances,
)

__all__ = [
    "accuracies",
    "attention",
    "attributions",
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
    "planes",
    "probe_accuracies",
    "randomisation",
    "ranking",
    "recalls",
    "recordings",
    "reliability",
    "risk_coverage",
    "robustness",
    "row_effects",
    "row_importances",
    "show_feature",
    "style",
]
