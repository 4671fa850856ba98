"""Planes: tracks in the two directions of most variance, and of most difference between genres."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import VarianceThreshold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .. import protocols
from .summaries import checked, distances


def pca_planes(summarised: Mapping[str, pd.DataFrame], tracks: pd.DataFrame) -> pd.DataFrame:
    """Project each feature on its two directions of most variance, without looking at genres.

    Parameters
    ----------
    summarised : mapping of str to pd.DataFrame
        Summaries by feature.
    tracks : pd.DataFrame
        The tracks table.

    Returns
    -------
    pd.DataFrame
        One row per feature and track: ``feature``, ``track_id``, ``genre``, ``x`` and ``y`` in
        standardised units, and ``share``, of the feature's variance that lies in the plane, in
        ``[0, 1]``. Signs are such that the farthest track is on the positive side.
    """
    parts = []
    for feature, X in summarised.items():
        pca = PCA(2, svd_solver="full")
        plane = pca.fit_transform(StandardScaler().fit_transform(checked(X, tracks)))
        plane *= _signs(plane)
        table = _plane(plane, X.index, tracks).assign(share=pca.explained_variance_ratio_.sum())
        table.insert(0, "feature", feature)
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def lda_plane(X: pd.DataFrame, tracks: pd.DataFrame, fold: protocols.Fold) -> pd.DataFrame:
    """Project tracks on the two directions that part the genres of a fold's training tracks most.

    The directions are chosen to part the training tracks, so these look parted whatever the
    feature is worth; what it is worth is seen on the test tracks.

    Parameters
    ----------
    X : pd.DataFrame
        Summaries of a feature.
    tracks : pd.DataFrame
        The tracks table.
    fold : Fold
        Of a protocol that keeps artists apart, if the test is to mean anything.

    Returns
    -------
    pd.DataFrame
        One row per track: ``part`` (``"fitted"`` or ``"held out"``), ``track_id``, ``genre``,
        ``x`` and ``y`` in deviations within a genre. Two genres have one direction, ``y`` is then
        0.
    """
    checked(X, tracks)
    train = [*fold.train, *fold.valid]
    genres = tracks.loc[train, "genre"]
    lda = LinearDiscriminantAnalysis(
        solver="eigen", shrinkage="auto", n_components=min(2, genres.nunique() - 1)
    )
    model = make_pipeline(VarianceThreshold(), StandardScaler(), lda)
    plane = model.fit(X.loc[train].to_numpy(), genres).transform(X.to_numpy())
    plane = np.pad(plane, ((0, 0), (0, 2 - plane.shape[1])))
    table = _plane(plane * _signs(plane), X.index, tracks)
    held_out = table["track_id"].isin(fold.test)
    table.insert(0, "part", np.where(held_out, "held out", "fitted"))
    return table.sort_values(["part", "track_id"], ignore_index=True)


def nearest_shares(plane: pd.DataFrame) -> pd.Series:
    """Return how many tracks of each part lie nearest to the middle of their own genre.

    The middles are the means of the fitted tracks. That held-out tracks of a genre lie together
    would prove little, since few artists made them; they must lie where other artists' do.

    Parameters
    ----------
    plane : pd.DataFrame
        From :func:`lda_plane`.

    Returns
    -------
    pd.Series, index part
        As a share of the tracks whose genre was fitted, in ``[0, 1]``; NaN where there is none.

    Examples
    --------
    >>> plane = pd.DataFrame({"part": ["fitted", "fitted", "held out"], "genre": ["a", "b", "a"],
    ...                       "x": [0.0, 1.0, 0.9], "y": 0.0})
    >>> nearest_shares(plane).tolist()
    [1.0, 0.0]
    """
    middles = plane[plane["part"] == "fitted"].groupby("genre")[["x", "y"]].mean()
    known = plane[plane["genre"].isin(middles.index)]
    nearest = middles.index[distances(known[["x", "y"]], middles).argmin(axis=1)]
    shares = pd.Series(nearest == known["genre"], dtype=float).groupby(known["part"]).mean()
    return shares.reindex(["fitted", "held out"])


def _plane(plane: np.ndarray, index: pd.Index, tracks: pd.DataFrame) -> pd.DataFrame:
    genres = tracks.loc[index, "genre"].to_numpy()
    return pd.DataFrame(
        {"track_id": index.to_numpy(), "genre": genres, "x": plane[:, 0], "y": plane[:, 1]}
    )


def _signs(plane: np.ndarray) -> np.ndarray:
    """Return 1 or -1 per axis: a direction's sign is arbitrary, and differs between machines."""
    farthest = np.abs(plane).argmax(axis=0)
    return np.where(plane[farthest, [0, 1]] < 0, -1.0, 1.0)
