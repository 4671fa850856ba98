"""Figures of what interventions do to the systems' answers."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from ..errors import unknown
from ..interventions import INTERVENTIONS
from ..interventions.variants import KINDS
from ..systems import SYSTEMS

_VALUES = {
    "accuracy": ("low", "high", "accuracy [%]"),
    "flip_rate": ("flip_low", "flip_high", "changed answers [%]"),
}
_MARKERS = "osD^vPX*<>"


def robustness(
    table: pd.DataFrame, value: str = "accuracy", *, n_genres: int, columns: int = 4
) -> Figure:
    """Draw accuracy or flip rate against strength: a panel per intervention, a line per system.

    Strengths are drawn at equal distances, in the order of the registry, and the neutral one is
    called "none".

    Parameters
    ----------
    table : pd.DataFrame
        One row per system, intervention and strength: ``system, intervention, strength, n,
        accuracy, low, high, flip_rate, flip_low, flip_high``, rates and intervals as fractions.
    value : {"accuracy", "flip_rate"}
        What is drawn.
    n_genres : int
        Chance is one over it; drawn with the accuracy.
    columns : int
        Panels per line.
    """
    if value not in _VALUES:
        raise unknown("value", value, _VALUES)
    names = [name for name in INTERVENTIONS if name in set(table["intervention"])]
    lines = -(-len(names) // columns)
    fig, axes = plt.subplots(
        lines,
        columns,
        figsize=(3.1 * columns, 2.5 * lines + 0.5),
        squeeze=False,
        sharey=True,
        layout="constrained",
    )
    for ax, name in zip(axes.flat, names, strict=False):
        own = table[table["intervention"] == name]
        row = INTERVENTIONS[name]
        shown = [strength for strength in row.strengths if strength in set(own["strength"])]
        _lines(ax, own, value, "strength", shown, table)
        labels = ["none" if strength == row.neutral else f"{strength:g}" for strength in shown]
        ax.set_xticks(range(len(shown)), labels)
        ax.set(title=row.title, xlabel=f"[{row.unit}]")
        _scale(ax, value, n_genres)
    for ax in axes.flat[len(names) :]:
        ax.set_axis_off()
    for ax in axes[:, 0]:
        ax.set_ylabel(_VALUES[value][2])
    _legend(fig, axes[0, 0])
    return fig


def recordings(table: pd.DataFrame, value: str = "accuracy", *, n_genres: int) -> Figure:
    """Draw accuracy or flip rate for the songs as recorded and as recorded differently.

    Parameters
    ----------
    table : pd.DataFrame
        As for :func:`robustness`, with the column ``kind``, a key of
        :data:`genrelib.interventions.variants.KINDS`, in place of intervention and strength.
    value, n_genres
        As for :func:`robustness`.
    """
    if value not in _VALUES:
        raise unknown("value", value, _VALUES)
    shown = [kind for kind in KINDS if kind in set(table["kind"])]
    fig, ax = plt.subplots(figsize=(2.2 * len(shown) + 1, 4), layout="constrained")
    _lines(ax, table, value, "kind", shown, table, joined=False)
    ax.set_xticks(range(len(shown)), [KINDS[kind] for kind in shown])
    ax.set_ylabel(_VALUES[value][2])
    ax.grid(visible=False, axis="x")
    _scale(ax, value, n_genres)
    _legend(fig, ax)
    return fig


def _lines(ax, own, value, column, shown, table, *, joined=True) -> None:
    """Draw each system's values, side by side so that no interval hides another."""
    low, high, _ = _VALUES[value]
    systems = [name for name in SYSTEMS if name in set(table["system"])]
    palette = "colorblind" if len(systems) <= 10 else "husl"
    colours = sns.color_palette(palette, len(systems))
    places = np.linspace(-1, 1, len(systems) + 2)[1:-1] * (0.25 if joined else 0.4)
    for name, colour, marker, shift in zip(
        systems, colours, itertools.cycle(_MARKERS), places, strict=False
    ):
        part = 100 * own[own["system"] == name].set_index(column).reindex(shown)[[value, low, high]]
        bars = [part[value] - part[low], part[high] - part[value]]
        ax.errorbar(
            np.arange(len(shown)) + shift,
            part[value],
            yerr=np.maximum(bars, 0),
            fmt=f"{marker}-" if joined else marker,
            markersize=4,
            linewidth=1.2,
            elinewidth=0.8,
            color=colour,
            label=SYSTEMS[name].title,
        )


def _scale(ax, value, n_genres) -> None:
    ax.set_ylim(-3, 103)  # a marker at the end of the scale is seen whole
    ax.tick_params(labelsize="small")
    if value == "accuracy":
        ax.axhline(100 / n_genres, color="0.5", linestyle=":", label="chance")


def _legend(fig, ax) -> None:
    handles, labels = ax.get_legend_handles_labels()
    fig.legend(
        handles, labels, loc="outside lower center", ncols=3, fontsize="small", frameon=False
    )
