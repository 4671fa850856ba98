"""Figures: every picture of the study, with fixed colours and order of genres.

Nothing is saved here: :func:`genrelib.report.save_figure` does that, with the data beside it.
A figure without anything to draw is None, and only its data are saved.
"""

from .look import best_first, genre_colours, style
from .music import (
    band_means,
    corpus_counts,
    family_scores,
    gallery,
    pair_separation,
    pictures,
    probe_accuracies,
    show_feature,
)
from .results import (
    ablation,
    accuracies,
    cause_drops,
    confusions,
    controls,
    costs,
    cross_collection,
    deletion_curves,
    family_drops,
    growth,
    ladder,
    learning_curves,
    randomisation,
    ranking,
    recalls,
    recordings,
    reliability,
    risk_coverage,
    robustness,
)
