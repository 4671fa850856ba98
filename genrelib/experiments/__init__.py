"""Experiments: systems fitted on folds, one small file of predictions per fit.

:func:`plan` lists the fits of a study, :func:`run` does those that are missing, and
:mod:`.predictions` reads what came out. All that follows reads only these files.
"""

from .fitting import architecture, fitted, predicted, run, tested
from .planning import KEPT, Fit, Settings, first_of_each, kept, plan, splits
