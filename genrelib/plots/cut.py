"""Figures of the parts that are cut: they go with the cells that draw them."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ..features import FEATURES, SR
from ..features.compiled import librosa
from ..store import PACKED
from .look import genre_colours

STATISTIC_COLOURS = {"mean": "C0", "deviation": "C1", "value": "C0"}
_STATISTIC_MARKERS = {"mean": "o", "deviation": "^", "value": "o"}
_TICKS = 6
_MOST_LABELS = 60
_HZ = (0, 500, 1000, 2000, 4000, 8000)
_FULL = 98  # percentile of the amounts that has the full colour


def attributions(
    X: np.ndarray,
    maps: Mapping[str, np.ndarray],
    titles: Sequence[str],
    *,
    feature: str,
    seconds: float,
) -> Figure:
    """Draw tracks (rows) and, over each in grey, what speaks for its predicted genre (columns).

    Parameters
    ----------
    X : np.ndarray, shape (n_tracks, n_bands, n_frames)
        Features, as the network was asked about them.
    maps : mapping of str to np.ndarray, shape of `X`
        Attributions by the method's title. Each panel has a scale of its own.
    titles : sequence of str
        Of the tracks.
    feature : str
        A key of :data:`genrelib.features.FEATURES`.
    seconds : float
        Length of the tracks.
    """
    n_rows, n_columns = len(X), 1 + len(maps)
    fig, axes = plt.subplots(
        n_rows,
        n_columns,
        figsize=(4.2 * n_columns, 1.7 * n_rows + 0.6),
        squeeze=False,
        sharex=True,
        sharey=True,
        layout="constrained",
    )
    for row, (line, matrix, title) in enumerate(zip(axes, X, titles, strict=True)):
        grey = (matrix - matrix.min()) / max(np.ptp(matrix), 1e-9)
        _picture(line[0], plt.get_cmap("magma")(grey), feature, seconds)
        line[0].set_title(title, fontsize="small", loc="left")
        for ax, (name, values) in zip(line[1:], maps.items(), strict=True):
            _picture(ax, _coloured(grey, values[row]), feature, seconds)
            if row == 0:
                ax.set_title(name, fontsize="small")
    for ax in axes[-1]:
        ax.set_xlabel("time [s]")
    scale = ScalarMappable(Normalize(-1, 1), "RdBu_r")
    bar = fig.colorbar(
        scale, ax=axes, location="bottom", shrink=0.4, aspect=30, pad=0.02, ticks=(-1, 0, 1)
    )
    bar.ax.set_xticklabels(["against the predicted genre", "0", "for it"], fontsize="small")
    return fig


def _coloured(grey: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Lay an attribution over a picture in pale grey: the stronger, the less grey shows through."""
    strength = np.clip(values / max(np.percentile(np.abs(values), _FULL), 1e-12), -1, 1)
    colour = plt.get_cmap("RdBu_r")(0.5 + 0.5 * strength)[..., :3]
    below = np.repeat(1 - 0.55 * grey[..., None], 3, axis=2)
    opacity = np.abs(strength)[..., None] ** 0.6
    return (1 - opacity) * below + opacity * colour


def _picture(ax, colours, feature, seconds) -> None:
    is_mel = FEATURES[feature].kind == "mel"
    top = float(librosa.hz_to_mel(SR / 2)) if is_mel else len(colours)
    extent = (0, seconds, 0, top)
    ax.imshow(colours, origin="lower", aspect="auto", extent=extent, interpolation="nearest")
    ax.grid(visible=False)
    ax.tick_params(labelsize="x-small")
    if is_mel:
        ax.set_yticks(librosa.hz_to_mel(np.array(_HZ)), [f"{hz:g}" for hz in _HZ])
    if ax.get_subplotspec().is_first_col():
        ax.set_ylabel("Hz, mel scale" if is_mel else "row", fontsize="small")


def attention(table: pd.DataFrame) -> Figure:
    """Draw in which sources' cells attributions lie, with the network before and after training.

    Parameters
    ----------
    table : pd.DataFrame
        From :func:`genrelib.explain.attention`.
    """
    fig, (left, right) = plt.subplots(
        1, 2, figsize=(11, 0.5 * len(table) + 1.6), sharey=True, layout="constrained"
    )
    place = np.arange(len(table))
    shown = (("cells", "|", "0.3", "cells"), ("untrained", "o", "0.6", "untrained network"))
    for name, marker, colour, label in (*shown, ("share", "o", "C0", "trained network")):
        left.plot(100 * table[name], place, marker, color=colour, markersize=9, label=label)
    left.set(xlabel="share of the attributions [%]", xlim=(0, None))
    fig.legend(loc="outside lower center", ncols=3, fontsize="small", frameon=False)
    left.set_yticks(place, table["source"])
    left.invert_yaxis()
    bars = 100 * np.array([table["excess"] - table["low"], table["high"] - table["excess"]])
    right.errorbar(100 * table["excess"], place, xerr=np.maximum(bars, 0), fmt="o", color="C0")
    right.axvline(0, color="0.3", linewidth=0.8)
    right.set_xlabel("trained less untrained [points]")
    return fig


def pictures(shown: dict[str, np.ndarray]) -> Figure:
    """Draw coloured pictures side by side.

    Parameters
    ----------
    shown : dict of np.ndarray
        Title and picture of each, shape ``(3, height, width)``, values in ``[0, 1]``, the first row
        at the bottom.
    """
    fig, axes = plt.subplots(1, len(shown), figsize=(3.2 * len(shown), 2.6), layout="constrained")
    for ax, (title, picture) in zip(np.atleast_1d(axes), shown.items(), strict=True):
        ax.imshow(picture.transpose(1, 2, 0), origin="lower", aspect="auto")
        ax.set(title=title, xlabel="frame", ylabel="band")
        ax.grid(visible=False)
    return fig


def row_effects(rows: pd.DataFrame) -> Figure:
    """Draw how much of each row's variance lies between genres, a panel per feature.

    Parameters
    ----------
    rows : pd.DataFrame
        Results of :func:`genrelib.inspection.row_tests`, the feature as first index level.
    """
    features = list(rows.index.unique("feature"))
    statistics = rows.index.unique("statistic")
    fig, axes = _panels(len(features), columns=2, size=(5.6, 2.7), sharey=True)
    for ax, feature in zip(axes, features, strict=True):
        part = rows.xs(feature, level="feature")
        for statistic in part.index.unique("statistic"):
            colour = STATISTIC_COLOURS[statistic]
            own = part.xs(statistic, level="statistic")
            place = np.arange(len(own))
            ax.plot(place, own["eta_squared"], color=colour, linewidth=1, alpha=0.5)
            sure = own["separates"].to_numpy(bool)
            ax.plot(place[sure], own["eta_squared"][sure], "o", color=colour, markersize=3)
            ax.plot(place[~sure], own["eta_squared"][~sure], "x", color=colour, markersize=3)
        labels = own.index.get_level_values("row")
        if feature in ("stack", *PACKED):
            _family_ticks(ax, own.index.get_level_values("family"))
        else:
            ticks = np.linspace(0, len(own) - 1, min(_TICKS, len(own))).round().astype(int)
            shown = [label.removeprefix("coefficient ") for label in labels[ticks]]
            ax.set_xticks(ticks, shown, fontsize="x-small")
        ax.axhline(0, color="0.5", linewidth=0.8)
        ax.grid(visible=False, axis="x")
        ax.set_title(feature)
    for ax in axes:
        if ax.get_subplotspec().is_first_col():
            ax.set_ylabel("η² between genres")
    handles = [
        *(plt.Line2D([], [], color=STATISTIC_COLOURS[s], label=s) for s in statistics),
        plt.Line2D([], [], color="0.3", marker="o", linestyle="", label="separates"),
        plt.Line2D([], [], color="0.3", marker="x", linestyle="", label="not for certain"),
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    return fig


def row_importances(importances: pd.DataFrame, alone: pd.DataFrame) -> Figure:
    """Draw what each row of a feature tells alone, and what shuffling it costs the probe.

    Parameters
    ----------
    importances : pd.DataFrame
        From :func:`genrelib.inspection.importances`.
    alone : pd.DataFrame
        Of the same feature's summaries, rows in the same order: columns ``statistic``,
        ``eta_squared`` and ``mutual_information``.
    """
    single = importances[importances["row"] != ""]
    families = list(dict.fromkeys(single["family"]))
    colours = dict(zip(families, sns.color_palette("husl", len(families)), strict=True))
    place = np.arange(len(single))
    bars = [colours[family] for family in single["family"]]
    fig, axes = plt.subplots(3, 1, figsize=(11, 7.4), sharex=True, layout="constrained")
    for statistic in alone["statistic"].unique():
        marker = _STATISTIC_MARKERS[statistic]
        own = alone[alone["statistic"] == statistic]
        for ax, column in zip(axes, ("eta_squared", "mutual_information"), strict=False):
            ax.scatter(place, own[column], c=bars, marker=marker, s=22)
        axes[0].scatter([], [], color="0.3", marker=marker, label=statistic)
    axes[0].legend(
        ncols=2, fontsize="small", loc="lower right", bbox_to_anchor=(1, 1), frameon=False
    )
    drop, low, high = (100 * single[name] for name in ("drop", "drop_low", "drop_high"))
    axes[2].bar(place, drop, color=bars, width=0.9)
    axes[2].vlines(place, low, high, color="0.25", linewidth=0.8)
    said = ("alone: η² between genres", "alone: bits about the genre", "shuffled: points lost")
    for ax, label in zip(axes, said, strict=True):
        ax.axhline(0, color="0.5", linewidth=0.8)
        ax.set_ylabel(label, fontsize="small")
        _family_ticks(ax, single["family"])
        ax.grid(visible=False, axis="x")
    axes[2].set_xlim(-1, len(single))
    return fig


def planes(
    points: pd.DataFrame,
    panel: str,
    genres: tuple[str, ...],
    titles: dict[str, str],
    *,
    shared: bool = False,
) -> Figure:
    """Draw tracks in planes side by side, coloured by genre, with the mean of each genre.

    Parameters
    ----------
    points : pd.DataFrame
        From :func:`genrelib.inspection.pca_planes` or :func:`genrelib.inspection.lda_plane`.
    panel : str
        Column that tells the panels apart.
    genres : tuple of str
        Of the corpus, for their colours.
    titles : dict of str
        What is written above each panel, by the value of `panel`; the order of the panels.
    shared : bool
        Whether all panels show the same plane; means are then those of the first.
    """
    colours = genre_colours(genres)
    columns = min(3, len(titles))
    size = 10.5 / columns
    fig, axes = _panels(
        len(titles), columns=columns, size=(size, 0.85 * size), sharex=shared, sharey=shared
    )
    for ax, (value, title) in zip(axes, titles.items(), strict=True):
        own = points[points[panel] == value]
        ax.scatter(own["x"], own["y"], c=own["genre"].map(colours).tolist(), s=10, alpha=0.5)
        if not shared or ax is axes[0]:
            middle = own.groupby("genre")[["x", "y"]].mean()
        ax.scatter(
            middle["x"],
            middle["y"],
            c=middle.index.map(colours).tolist(),
            marker="D",
            s=70,
            edgecolor="black",
        )
        ax.set(title=title, xticklabels=[], yticklabels=[])
    handles = [
        plt.Line2D([], [], color=colour, marker="o", linestyle="", label=genre)
        for genre, colour in colours.items()
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=6, frameon=False)
    return fig


def _panels(n, *, columns, size, **options):
    """Return a figure and `n` axes in rows of `columns`."""
    columns = min(columns, n)
    n_rows = -(-n // columns)
    figsize = (size[0] * columns, size[1] * n_rows + 0.4)
    fig, axes = plt.subplots(
        n_rows, columns, figsize=figsize, squeeze=False, layout="constrained", **options
    )
    for ax in axes.flat[n:]:
        ax.remove()
    return fig, list(axes.flat[:n])


def _family_ticks(ax, families):
    """Write the name of each family under the middle of its rows, lines between families.

    Neighbouring families of few rows share a label: there is no room for more.
    """
    families = pd.Series(np.asarray(families))
    few = families.map(families.value_counts()) <= max(1, len(families) / _MOST_LABELS)
    starts = families.ne(families.shift()) & ~(few & few.shift(fill_value=False))
    for first in np.flatnonzero(starts)[1:]:
        ax.axvline(first - 0.5, color="0.85", linewidth=0.8)
    blocks = families.groupby(starts.cumsum().to_numpy())
    middle = [float(block.index.to_numpy().mean()) for _, block in blocks]
    ax.set_xticks(
        middle,
        [",\n".join(block.unique()) for _, block in blocks],
        fontsize=7,
        rotation=35,
        ha="right",
    )
