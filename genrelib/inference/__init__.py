"""Inference: what the predictions are worth; reads predictions only.

Tracks of one artist are not independent: intervals and tests draw whole groups of artists, never
single rows. Every function takes `predictions` (or `rows`, a part of them) and `records` as
:func:`.predictions.read` returns them, `valid` likewise of the validation parts; `groups`, the
group of every ``track_id``; and the study's `seed`. Tables give shares and differences as
fractions, and 95 % intervals as ``low`` and ``high``. A test is answerable when its genre was in
the training data. Each quantity is computed in one function, from random draws named after it;
other tables take it from there.
"""

from .calibration import abstention, calibrated, calibration, conformal, reliability, risk_coverage
from .claims import claims, convergence, statements, withheld
from .comparisons import comparisons, confirmation, primary, ranking
from .findings import findings
from .intervals import DIFFERENCE, LOSS, SHARE, ClusterBootstrap, cluster_interval, means
from .leakage import (
    controls,
    cross_collection,
    faulty,
    genre_losses,
    influence,
    ladder,
    leakage,
    without_faults,
)
from .scores import confusion, costs, hardest, overlap, recalls, scores, variation
