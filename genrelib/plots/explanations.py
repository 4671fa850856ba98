"""Figures of what systems listen to."""

import itertools
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ..base.errors import unknown
from ..explain.attributions import METHODS
from ..explain.causes import CHANGES
from ..explain.faithfulness import LIMIT, RANDOM
from ..features import FEATURES, SR
from ..features.compiled import librosa
from ..robustness import INTERVENTIONS
from ..robustness.variants import KINDS
from ..systems import SYSTEMS

_HZ = (0, 500, 1000, 2000, 4000, 8000)
_FULL = 98  # percentile of the amounts that has the full colour
_LINES = {"integrated gradients": "C0", "occlusion": "C1"}


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


def deletion_curves(curves: pd.DataFrame, areas: pd.DataFrame) -> Figure:
    """Draw how the predicted genre's probability falls as patches are deleted.

    Parameters
    ----------
    curves, areas : pd.DataFrame
        From :func:`genrelib.explain.deletion` and :func:`genrelib.explain.areas`.
    """
    fig, ax = plt.subplots(figsize=(8, 5.2), layout="constrained")
    mean = curves.groupby(["ranking", "share"], sort=False)["probability"].mean()
    gains = areas[areas["other"] == RANDOM].set_index("ranking")
    for ranking in mean.index.unique("ranking"):
        label, look = ranking, {"color": _LINES.get(ranking, "0.6"), "marker": "o"}
        if ranking == RANDOM:
            look = {"color": "0.2", "linestyle": "--"}
        else:
            row = gains.loc[ranking]
            label = (
                f"{ranking}: {100 * row['gain']:.1f} points below random "
                f"[{100 * row['low']:.1f}, {100 * row['high']:.1f}]"
            )
        part = mean[ranking]
        ax.plot(100 * part.index, 100 * part, label=label, markersize=4, **look)
    ax.set(xlabel="patches deleted [%]", ylabel="probability of the genre\npredicted for all [%]")
    ax.set(xlim=(0, 100), ylim=(0, None))
    fig.legend(loc="outside lower center", fontsize="small", title="order of deletion")
    return fig


def randomisation(cascades: pd.DataFrame) -> Figure:
    """Draw how attributions change as a network's weights are randomised from the last layer on.

    Parameters
    ----------
    cascades : pd.DataFrame
        From :func:`genrelib.explain.cascade`, of one method or several.
    """
    fig, ax = plt.subplots(figsize=(8, 4.6), layout="constrained")
    for method, part in cascades.groupby("method", sort=False):
        colour, place = _LINES[METHODS[method]], 100 * part["n_layers"] / part["n_all"]
        bars = [part["correlation"] - part["low"], part["high"] - part["correlation"]]
        ax.errorbar(
            place,
            part["correlation"],
            yerr=np.maximum(bars, 0),
            marker="o",
            color=colour,
            label=f"{METHODS[method]}, amounts",
        )
        signed = {"color": colour, "linestyle": ":", "marker": "s", "markersize": 4}
        ax.plot(place, part["signed"], label=f"{METHODS[method]}, with signs", **signed)
    ax.axhline(LIMIT, color="0.5", linewidth=1, linestyle="--", label="limit for the amounts")
    ax.axhline(0, color="0.3", linewidth=0.8)
    ax.set(
        xlabel="layers as before training [%], counted from the last",
        ylabel="rank correlation with\nthe trained network's",
        ylim=(min(-0.25, cascades["signed"].min() - 0.05), 1.05),
    )
    fig.legend(loc="outside lower center", ncols=3, fontsize="small", frameon=False)
    return fig


def cause_drops(table: pd.DataFrame, value: str = "drop") -> Figure:
    """Draw what systems lose when one cause of the recordings is changed.

    Parameters
    ----------
    table : pd.DataFrame
        ``system, change``, `value` and its interval ``low, high``, as fractions; from
        :func:`genrelib.inference.means`.
    value : {"drop", "accuracy_drop"}
        What is drawn: the loss of the own genre's probability, or of accuracy.
    """
    changes = [change for change in CHANGES if change in set(table["change"])]
    label = {"drop": "loss of the own genre's probability", "accuracy_drop": "loss of accuracy"}
    fig, ax = plt.subplots(figsize=(9, 0.85 * len(changes) + 1.6), layout="constrained")
    rows = table.assign(place=table["change"].map({c: n for n, c in enumerate(changes)}))
    _bars(ax, rows, value)
    ax.set_yticks(range(len(changes)), [CHANGES[change] for change in changes])
    ax.set_xlabel(f"{label[value]} [points]")
    fig.legend(loc="outside lower center", ncols=3, fontsize="small", frameon=False)
    return fig


def family_drops(table: pd.DataFrame) -> Figure:
    """Draw the accuracy lost when a family of inputs is shuffled, a panel per system.

    Parameters
    ----------
    table : pd.DataFrame
        ``system, family, drop`` and its interval ``low, high``, as fractions; from
        :func:`genrelib.inference.means`.
    """
    systems = list(dict.fromkeys(table["system"]))
    sizes = [int((table["system"] == name).sum()) for name in systems]
    fig, axes = plt.subplots(
        len(systems),
        1,
        figsize=(9, 0.3 * sum(sizes) + 0.7 * len(systems) + 0.4),
        height_ratios=sizes,
        squeeze=False,
        sharex=True,
        layout="constrained",
    )
    for ax, name in zip(axes[:, 0], systems, strict=True):
        part = table[table["system"] == name].reset_index(drop=True)
        _bars(ax, part.assign(place=part.index), "drop")
        ax.set_yticks(part.index, part["family"], fontsize="small")
        ax.set_title(_title(name), loc="left")
    axes[-1, 0].set_xlabel("loss of accuracy [points]")
    return fig


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


def _bars(ax, rows, value) -> None:
    """Draw horizontal bars with intervals at ``place``, those of several systems side by side."""
    systems = list(dict.fromkeys(rows["system"]))
    height = 0.8 / len(systems)
    for number, (name, colour) in enumerate(
        zip(systems, sns.color_palette("colorblind", len(systems)), strict=True)
    ):
        own = rows[rows["system"] == name]
        place = own["place"] + (number - (len(systems) - 1) / 2) * height
        bars = 100 * np.array([own[value] - own["low"], own["high"] - own[value]])
        ax.barh(
            place,
            100 * own[value],
            xerr=np.maximum(bars, 0),
            height=0.85 * height,
            color=colour,
            error_kw={"elinewidth": 1, "ecolor": "0.25"},
            label=_title(name),
        )
    ax.axvline(0, color="0.3", linewidth=0.8)
    ax.invert_yaxis()
    ax.grid(visible=False, axis="y")


def _title(system: str) -> str:
    return SYSTEMS[system].title if system in SYSTEMS else system


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
        :data:`genrelib.robustness.variants.KINDS`, in place of intervention and strength.
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
