"""Figures of what features tell about genres."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from ..protocols.registry import PROTOCOLS
from ..store import PACKED
from .look import PROTOCOL_COLOURS, genre_colours

STATISTIC_COLOURS = {"mean": "C0", "deviation": "C1", "value": "C0"}
_STATISTIC_MARKERS = {"mean": "o", "deviation": "^", "value": "o"}
_TICKS = 6
_MOST_LABELS = 60


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


def probe_accuracies(scores: pd.DataFrame, n_genres: int) -> Figure:
    """Draw the accuracy of each feature's probe under each protocol, with its interval.

    Parameters
    ----------
    scores : pd.DataFrame
        From :func:`genrelib.inspection.probe_scores`.
    n_genres : int
        Chance is one over it.
    """
    features = list(dict.fromkeys(scores["feature"]))
    fig, ax = plt.subplots(figsize=(9, 0.5 * len(features) + 1.6), layout="constrained")
    _intervals(ax, scores, "feature", features, ("accuracy", "low", "high"))
    ax.axvline(100 / n_genres, color="0.5", linestyle=":", label="chance")
    ax.set(xlim=(0, 100), xlabel="accuracy [%], with 95 % interval over groups of artists")
    fig.legend(loc="outside lower center", ncols=3, frameon=False)
    return fig


def pair_separation(pairs: pd.DataFrame) -> Figure:
    """Draw how well each feature's probe tells each pair of genres apart, a panel per feature.

    Parameters
    ----------
    pairs : pd.DataFrame
        From :func:`genrelib.inspection.pairs`.
    """
    features = list(dict.fromkeys(pairs["feature"]))
    genres = sorted({*pairs["first"], *pairs["second"]})
    columns = min(3, len(features))
    size = 1.1 + 0.33 * len(genres)
    fig, axes = _panels(len(features), columns=columns, size=(size + 0.3, size))
    for ax, feature in zip(axes, features, strict=True):
        own = pairs[pairs["feature"] == feature]
        table = 100 * own.pivot_table(index="second", columns="first", values="auc", dropna=False)
        _triangle(ax, table.reindex(index=genres[1:], columns=genres[:-1]).to_numpy())
        ax.set_title(feature)
        ax.set_xticks(range(len(genres) - 1), genres[:-1], rotation=90, fontsize=8)
        ax.set_yticks(range(len(genres) - 1), genres[1:], fontsize=8)
    return fig


def _triangle(ax, values):
    """Draw numbers from 50 (dark) to 100 (light) as coloured cells, empty where NaN."""
    ax.imshow(values, vmin=50, vmax=100, cmap="rocket")
    ax.grid(visible=False)
    sns.despine(ax=ax, left=True, bottom=True)
    if len(values) <= 12:  # more are too small to read
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                colour = "white" if value < 85 else "black"
                style = {"ha": "center", "va": "center", "fontsize": 7, "color": colour}
                text = ax.text(column, row, f"{value:.0f}", **style)
                text.set_in_layout(False)  # inside its cell: nothing to make room for


def family_scores(families: pd.DataFrame) -> Figure:
    """Draw what each family of rows reaches alone, and what is lost without it.

    Parameters
    ----------
    families : pd.DataFrame
        From :func:`genrelib.inspection.alone_and_without`.
    """
    names = list(dict.fromkeys(families["family"]))
    n_rows = families.drop_duplicates("family").set_index("family")["n_rows"]
    fig, (left, right) = plt.subplots(
        1, 2, figsize=(10, 0.42 * len(names) + 1.6), sharey=True, layout="constrained"
    )
    _intervals(left, families, "family", names, ("alone", "alone_low", "alone_high"))
    handles, labels = left.get_legend_handles_labels()
    _intervals(right, families, "family", names, ("lost", "lost_low", "lost_high"))
    left.set_yticks(range(len(names)), [f"{name} ({n_rows[name]})" for name in names])
    left.set(xlabel="accuracy of the family alone [%]")
    right.axvline(0, color="0.5", linewidth=0.8)
    right.set(xlabel="lost when the family is left out [points]")
    fig.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
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


def _intervals(ax, table, key, names, columns):
    """Draw values with intervals in percent, a line per name and a colour per protocol."""
    shown = list(dict.fromkeys(table["protocol"]))
    for i, protocol in enumerate(shown):
        part = table[table["protocol"] == protocol].set_index(key).loc[names, list(columns)]
        value, low, high = (100 * part[column].to_numpy(float) for column in columns)
        ax.errorbar(
            value,
            np.arange(len(names)) + 0.2 * (i - (len(shown) - 1) / 2),
            xerr=np.maximum([value - low, high - value], 0),
            fmt="o",
            markersize=5,
            capsize=2,
            color=PROTOCOL_COLOURS[protocol],
            label=PROTOCOLS[protocol].title,
        )
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)


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
