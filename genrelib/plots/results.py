"""Figures of scores, confusions and learning curves."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from ..protocols import DECOMPOSITION, PROTOCOLS
from ..systems import SYSTEMS
from .look import PROTOCOL_COLOURS


def accuracies(scores: pd.DataFrame, n_genres: int) -> Figure:
    """Draw accuracy with its interval for each system and protocol, beside claim and chance.

    Parameters
    ----------
    scores : pd.DataFrame
        From :func:`genrelib.inference.scores`.
    n_genres : int
        Chance is one over it.
    """
    names = list(dict.fromkeys(scores["system"]))
    protocols = list(dict.fromkeys(scores["protocol"]))
    step = min(0.24, 0.8 / len(protocols))
    height = max(0.55, 0.13 * len(protocols)) * len(names) + 1.2 + 0.25 * len(protocols)
    fig, ax = plt.subplots(figsize=(9, height), layout="constrained")
    for i, protocol in enumerate(protocols):
        part = scores[scores["protocol"] == protocol].set_index("system").reindex(names)
        place = np.arange(len(names)) + step * (i - (len(protocols) - 1) / 2)
        value = 100 * part["accuracy"]
        bars = [value - 100 * part["low"], 100 * part["high"] - value]
        ax.errorbar(
            value,
            place,
            xerr=np.maximum(bars, 0),
            fmt="o",
            capsize=3,
            color=PROTOCOL_COLOURS[protocol],
            label=PROTOCOLS[protocol].title,
        )
    claimed = [(i, SYSTEMS[n].claim) for i, n in enumerate(names) if SYSTEMS[n].claim is not None]
    if claimed:
        place, claims = zip(*claimed, strict=True)
        ax.plot(claims, place, "D", color="none", markeredgecolor="0.3", label="claimed")
    ax.axvline(100 / n_genres, color="0.5", linestyle=":", label="chance")
    ax.set(yticks=range(len(names)), yticklabels=[SYSTEMS[n].title for n in names])
    ax.set(xlim=(0, 100), xlabel="accuracy [%], with 95 % interval over groups of artists")
    ax.invert_yaxis()
    fig.legend(loc="outside lower center", ncols=2, frameon=False, fontsize="small")
    return fig


def confusions(tables: dict[str, pd.DataFrame], *, columns: int = 3) -> Figure:
    """Draw confusion matrices side by side.

    Parameters
    ----------
    tables : dict of pd.DataFrame
        Title of each panel and its shares, rows the genre, columns the predicted one.
    columns : int
        Panels per line.
    """
    n_rows = -(-len(tables) // columns)
    fig, axes = plt.subplots(
        n_rows,
        columns,
        figsize=(4.3 * columns, 4.1 * n_rows),
        squeeze=False,
        layout="constrained",
    )
    for ax, (title, table) in zip(axes.flat, tables.items(), strict=False):
        sns.heatmap(
            100 * table,
            ax=ax,
            vmin=0,
            vmax=100,
            cmap="rocket_r",
            annot=True,
            fmt=".0f",
            annot_kws={"size": 7},
            cbar=False,
            square=True,
            xticklabels=True,
            yticklabels=True,
        )
        ax.set(title=title, xlabel="predicted", ylabel="genre")
        ax.tick_params(labelsize=8)
    for ax in axes.flat[len(tables) :]:
        ax.set_axis_off()
    return fig


def learning_curves(curves: pd.DataFrame) -> Figure:
    """Draw training and validation loss and validation accuracy over epochs.

    Lines are means over fits, as far as all of them were trained; early stopping ends some before.
    Protocols that only take the leakage apart are not drawn.

    Parameters
    ----------
    curves : pd.DataFrame
        One row per system, protocol, fit and epoch: ``system, protocol, epoch, train_loss,
        valid_loss, valid_acc``.
    """
    names = [n for n in SYSTEMS if n in set(curves["system"])]
    if not names:
        fig = plt.figure(figsize=(5, 1), layout="constrained")
        fig.text(0.5, 0.5, "No system here trains by epochs.", ha="center", va="center")
        return fig
    fig, axes = plt.subplots(
        len(names),
        2,
        figsize=(10, 2.9 * len(names) + 0.3),
        squeeze=False,
        sharex="row",
        layout="constrained",
    )
    shown = [protocol for protocol in PROTOCOL_COLOURS if protocol not in DECOMPOSITION]
    for (loss, accuracy), name in zip(axes, names, strict=True):
        part = curves[curves["system"] == name]
        for protocol in shown:
            colour = PROTOCOL_COLOURS[protocol]
            epochs = part[part["protocol"] == protocol].groupby("epoch")
            mean = epochs[["train_loss", "valid_loss", "valid_acc"]].mean()
            mean = mean[epochs.size() == epochs.size().max()]
            if mean.empty:
                continue
            title = PROTOCOLS[protocol].title
            loss.plot(mean["train_loss"], color=colour, linestyle="--", label=f"{title}: training")
            loss.plot(mean["valid_loss"], color=colour, label=f"{title}: validation")
            accuracy.plot(100 * mean["valid_acc"], color=colour, label=title)
        loss.set(title=SYSTEMS[name].title, xlabel="epoch", ylabel="loss [nats]")
        accuracy.set(xlabel="epoch", ylabel="validation accuracy [%]", ylim=(0, 100))
    axes[0, 0].legend(fontsize="x-small")
    axes[0, 1].legend(fontsize="x-small")
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


def recalls(shares: pd.DataFrame) -> Figure:
    """Draw which share of each genre each system names right; see :func:`..inference.recalls`."""
    fig, ax = plt.subplots(figsize=(9, 0.4 * len(shares) + 1.2), layout="constrained")
    table = 100 * shares.set_axis([SYSTEMS[name].title for name in shares.index])
    sns.heatmap(table, ax=ax, vmin=0, vmax=100, cmap="rocket_r", annot=True, fmt=".0f", cbar=False)
    ax.set(xlabel="", ylabel="")
    return fig


def costs(table: pd.DataFrame) -> Figure:
    """Draw accuracy against multiply-adds; lines are the accuracies of systems without network.

    Parameters
    ----------
    table : pd.DataFrame
        From :func:`genrelib.inference.costs`.
    """
    fig, ax = plt.subplots(figsize=(9, 5), layout="constrained")
    networks = table[table["multiply_adds"] > 0]
    for row in networks.itertuples():
        ax.errorbar(
            row.multiply_adds,
            100 * row.accuracy,
            yerr=[[100 * (row.accuracy - row.low)], [100 * (row.high - row.accuracy)]],
            fmt="o" if row.is_best else "x",
            color="C0" if row.is_best else "0.6",
            capsize=2,
        )
        ax.annotate(
            row.system,
            (row.multiply_adds, 100 * row.accuracy),
            (4, 3),
            textcoords="offset points",
            fontsize="small" if row.is_best else "xx-small",
        )
    for row in table[~table.index.isin(networks.index)].itertuples():
        ax.axhline(100 * row.accuracy, color="0.75", linestyle=":", zorder=0)
        ax.annotate(
            row.system,
            (1, 100 * row.accuracy),
            (-4, 2),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            fontsize="x-small",
            color="0.4",
        )
    ax.set(xscale="log", xlabel="multiply-adds of one example", ylabel="accuracy [%]")
    return fig


def growth(scores: pd.DataFrame, shares: dict[str, float]) -> Figure:
    """Draw accuracy against the share of the training artists.

    Parameters
    ----------
    scores : pd.DataFrame
        From :func:`genrelib.inference.scores`.
    shares : dict of float
        Share of the artists by protocol, see :data:`genrelib.protocols.GROWTH`.
    """
    part = scores[scores["protocol"].isin(shares)]
    if part.empty:
        fig = plt.figure(figsize=(5, 1), layout="constrained")
        fig.text(0.5, 0.5, "No system was taken apart here.", ha="center", va="center")
        return fig
    fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
    for number, (name, rows) in enumerate(part.groupby("system", sort=False)):
        place = 100 * rows["protocol"].map(shares) + number - 1
        order = place.sort_values().index
        value = 100 * rows.loc[order, "accuracy"]
        bars = [value - 100 * rows.loc[order, "low"], 100 * rows.loc[order, "high"] - value]
        ax.errorbar(place[order], value, yerr=bars, fmt="o-", capsize=3, label=SYSTEMS[name].title)
    ax.legend(fontsize="small")
    ax.set(xlabel="artists of each genre to train on [% of those there are]", ylabel="accuracy [%]")
    return fig
