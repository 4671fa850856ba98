"""Labels that the systems doubt."""

import numpy as np
import pandas as pd

from ..base.errors import GenrelibError
from .audit import table


def mislabels(rows: pd.DataFrame) -> pd.DataFrame:
    """Find tracks whose label systems that never heard the artist agree to doubt.

    Probabilities are averaged over systems and repeats. As in confident learning [1]_, a track is
    suspected when another genre is as probable as it usually is for tracks that bear its label; and
    when its own is less probable than by chance.

    Parameters
    ----------
    rows : pd.DataFrame
        Of :func:`.predictions.read`: those of the systems that are trusted, under one
        protocol that keeps artists apart. Where artists are shared, systems have learnt the labels.

    Returns
    -------
    pd.DataFrame
        Findings of the fault `mislabel`; `score` is how much more probable the other genre is.
        Suspicions, to be listened to: most are odd music under a right label.

    Raises
    ------
    GenrelibError
        When the rows are of no or of several protocols.

    References
    ----------
    .. [1] C. G. Northcutt, L. Jiang, I. L. Chuang, "Confident learning: estimating uncertainty in
       dataset labels", J. Artificial Intelligence Research 70, 2021.
    """
    protocols = sorted(rows["protocol"].unique())
    if len(protocols) != 1:
        raise GenrelibError(
            f"predictions under the protocols {protocols}; give those of one, such as "
            "artist_grouped."
        )
    rows = rows[rows["genre_trained"]]  # a genre that was not trained is improbable for everyone
    columns = [column for column in rows if column.startswith("p_")]
    mean = rows.groupby("track_id")[columns].mean()
    genres = np.array([column.removeprefix("p_") for column in columns])
    own = np.searchsorted(genres, rows.groupby("track_id")["genre"].first()[mean.index])
    p = mean.to_numpy()
    at_home = p[np.arange(len(p)), own]
    # genres without a track can't be usual
    usual = [at_home[own == k].mean() if (own == k).any() else np.inf for k in range(len(genres))]
    usual = np.array(usual)
    away = p.copy()
    away[np.arange(len(p)), own] = -1
    other = away.argmax(axis=1)
    likely = away.max(axis=1)
    suspected = (likely >= usual[other]) & (at_home < 1 / len(genres))
    return table(
        (
            *(mean.index[k], "", "mislabel", likely[k] - at_home[k]),
            f"{genres[other[k]]} at {likely[k]:.2f}, {genres[own[k]]} at {at_home[k]:.2f}",
        )
        for k in np.flatnonzero(suspected)
    )
