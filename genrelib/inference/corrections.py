"""Corrections of p-values for the number of tests in a family."""

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests


def holm(p_values: pd.Series) -> pd.Series:
    """Adjust p-values for their number (Holm 1979); those that are NaN don't count."""
    adjusted = pd.Series(np.nan, index=p_values.index, dtype=float)
    tested = p_values.notna()
    if tested.any():
        adjusted[tested] = multipletests(p_values[tested], method="holm")[1]
    return adjusted
