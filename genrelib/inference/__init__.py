"""Inference: what the predictions are worth; reads predictions only.

Tracks of one artist are not independent, so that intervals and tests draw whole groups of artists
(see :mod:`genrelib.inference.intervals`), never single rows.

Every function takes `predictions` (or `rows`, a part of them) and `records` as
:func:`.predictions.read` returns them, `valid` likewise of the validation parts; `groups`,
the group of artists of every ``track_id``, which is the unit of resampling; and the study's `seed`.
Tables give shares and differences as fractions, and 95 % intervals as ``low`` and ``high``. A test
is answerable when its genre was in the training data.

Each quantity is computed in one function, from random draws named after it; other tables take it
from there. Sentences are made with :mod:`genrelib.inference.wording`.
"""

from .calibration import (
    abstention,
    aurc,
    calibrated,
    calibration,
    reliability,
    risk_coverage,
    temperatures,
    threshold_for,
)
from .claims import claims, verdict
from .comparisons import comparisons, corrected_t, holm, mcnemar, ranking
from .findings import findings
from .intervals import (
    DIFFERENCE,
    LOSS,
    SHARE,
    ClusterBootstrap,
    Estimate,
    cluster_interval,
    minimum_detectable_difference,
)
from .leakage import cross_collection, decomposition, leakage
from .means import means
from .scores import (
    confusion,
    costs,
    expected_ece,
    hardest,
    overlap,
    recalls,
    scores,
)

__all__ = [
    "DIFFERENCE",
    "LOSS",
    "SHARE",
    "ClusterBootstrap",
    "Estimate",
    "abstention",
    "aurc",
    "calibrated",
    "calibration",
    "claims",
    "cluster_interval",
    "comparisons",
    "confusion",
    "corrected_t",
    "costs",
    "cross_collection",
    "decomposition",
    "expected_ece",
    "findings",
    "hardest",
    "holm",
    "leakage",
    "mcnemar",
    "means",
    "minimum_detectable_difference",
    "overlap",
    "ranking",
    "recalls",
    "reliability",
    "risk_coverage",
    "scores",
    "temperatures",
    "threshold_for",
    "verdict",
]
