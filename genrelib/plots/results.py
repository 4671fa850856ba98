"""Figures of scores, confusions and learning curves."""

from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from ..inference.leakage import SIDES
from ..protocols.registry import DECOMPOSITION, PROTOCOLS
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


STYLES = ("-", "--", ":", "-.")


def ranking(table: pd.DataFrame, n_genres: int) -> Figure:
    """Draw systems by accuracy, and bars that join those which cannot be told apart.

    Parameters
    ----------
    table : pd.DataFrame
        From :func:`genrelib.inference.ranking`, best first.
    n_genres : int
        Chance is one over it.
    """
    fig, (left, right) = plt.subplots(
        1,
        2,
        figsize=(9, 0.38 * len(table) + 1.4),
        sharey=True,
        width_ratios=(4, 1),
        layout="constrained",
    )
    place, value = np.arange(len(table)), 100 * table["accuracy"]
    bars = np.maximum([value - 100 * table["low"], 100 * table["high"] - value], 0)
    left.errorbar(value, place, xerr=bars, fmt="o", capsize=3, color="0.2")
    left.axvline(100 / n_genres, color="0.5", linestyle=":")
    left.text(100 / n_genres, -0.75, " chance", color="0.4", fontsize="small", va="center")
    left.set(xlim=(0, 100), xlabel="accuracy [%], 95 % interval over artists")
    left.set(yticks=place, yticklabels=[_title(name) for name in table["system"]])
    names = _letters(table["letters"])
    for column, letter in enumerate(names):
        inside = place[[letter in _letters([own]) for own in table["letters"]]]
        right.plot([column] * len(inside), inside, "o-", color="0.2", markersize=4, linewidth=2)
    right.set(xticks=range(len(names)), xticklabels=names, xlabel="not told apart")
    right.set_xlim(-0.7, len(names) - 0.3)
    right.grid(visible=False, axis="x")
    left.set_ylim(len(table) - 0.4, -1.1)
    return fig


def _letters(texts):
    """List the letters of sets, each once: a letter and the digits after it."""
    found = pd.Series(list(texts), dtype=str).str.findall(r"[a-z]\d*").explode().dropna()
    return sorted(found.unique(), key=lambda name: (int(name[1:] or 1), name[0]))


def leakage_steps(steps: pd.DataFrame) -> Figure:
    """Draw what each step from lenient to strict protocols takes from each system.

    Parameters
    ----------
    steps : pd.DataFrame
        From :func:`genrelib.inference.decomposition`.
    """
    steps = steps[steps["n_tracks"] > 0]
    # "1", "2" and so on, then "total", also where the first system has the total alone
    in_order = steps.sort_values("step", kind="stable")
    panels = list(in_order[["before", "after", "step"]].drop_duplicates().itertuples(index=False))
    names = [name for name in dict.fromkeys(steps["system"])]
    if not panels:
        return _said("No system was run under two protocols that differ by a step.")
    fig, axes = plt.subplots(
        1,
        len(panels),
        figsize=(2.6 + 2.1 * len(panels), 0.34 * len(names) + 2.3),
        squeeze=False,
        sharex=True,
        sharey=True,
        layout="constrained",
    )
    for ax, (before, after, step) in zip(axes[0], panels, strict=True):
        part = steps[(steps["before"] == before) & (steps["after"] == after)]
        part = part[part["step"] == step].set_index("system").reindex(names)
        value = -100 * part["difference"]
        bars = np.maximum([value + 100 * part["high"], -100 * part["low"] - value], 0)
        colour = PROTOCOL_COLOURS.get(after, "0.3") if step != "total" else "0.2"
        ax.errorbar(value, np.arange(len(names)), xerr=bars, fmt="o", capsize=3, color=colour)
        ax.axvline(0, color="0.5", linewidth=1)
        head = "artists alone" if step == "total" else f"step {step}"
        words = fill(f"{_protocol(before)} → {_protocol(after)}", 24)
        ax.set_title(f"{head}\n{words}", fontsize="small")
    axes[0, 0].set(yticks=range(len(names)), yticklabels=[_title(name) for name in names])
    axes[0, 0].invert_yaxis()
    fig.supxlabel("change of accuracy [points], 95 % interval over artists", fontsize="medium")
    return fig


def cross_collection(table: pd.DataFrame, n_genres: int) -> Figure:
    """Draw accuracy with and without the tested collection among the training data.

    Parameters
    ----------
    table : pd.DataFrame
        From :func:`genrelib.inference.cross_collection`.
    n_genres : int
        Chance is one over it.
    """
    if table.empty:
        return _said("One collection, or none was tested by what was learnt from another.")
    names = list(dict.fromkeys(table["system"]))
    directions = list(table.groupby(["trained_on", "tested_on"], sort=False))
    fig, axes = plt.subplots(
        1,
        len(directions),
        figsize=(2.6 + 3.2 * len(directions), 0.42 * len(names) + 1.9),
        squeeze=False,
        sharex=True,
        sharey=True,
        layout="constrained",
    )
    for ax, ((trained, tested), part) in zip(axes[0], directions, strict=True):
        part = part.set_index("system").reindex(names)
        for shift, side, words in (
            (-0.12, "within", "the tested collection is trained on too, other artists"),
            (0.12, "cross", "it is not"),
        ):
            value = 100 * part[f"accuracy_{side}"]
            bars = [value - 100 * part[f"low_{side}"], 100 * part[f"high_{side}"] - value]
            colour = PROTOCOL_COLOURS[SIDES[side]]
            place, bars = np.arange(len(names)) + shift, np.maximum(bars, 0)
            ax.errorbar(value, place, xerr=bars, fmt="o", capsize=3, color=colour, label=words)
        ax.axvline(100 / n_genres, color="0.5", linestyle=":", label="chance")
        ax.set_title(f"trained on {trained}, tested on {tested}", fontsize="small")
    fig.legend(
        *axes[0, 0].get_legend_handles_labels(),
        loc="outside upper center",
        ncols=3,
        frameon=False,
        fontsize="small",
    )
    axes[0, 0].set(yticks=range(len(names)), yticklabels=[_title(name) for name in names])
    axes[0, 0].set(xlim=(0, 100), ylim=(len(names) - 0.5, -0.5))
    fig.supxlabel("accuracy [%], 95 % interval over artists", fontsize="medium")
    return fig


def reliability(tables: dict[str, dict[str, pd.DataFrame]], *, columns: int = 4) -> Figure:
    """Draw accuracy against confidence: on the diagonal a system is as often right as it is sure.

    Parameters
    ----------
    tables : dict of dict of pd.DataFrame
        ``tables[system][label]``, each from :func:`genrelib.inference.reliability`; labels are
        such as ``"as trained"`` and ``"calibrated"``. Marks are as large as the bin's share of
        tests.
    columns : int
        Panels per line.
    """
    columns = min(columns, len(tables))
    n_rows = -(-len(tables) // columns)
    fig, axes = plt.subplots(
        n_rows,
        columns,
        figsize=(2.7 * columns, 2.75 * n_rows + 0.4),
        squeeze=False,
        sharex=True,
        sharey=True,
        layout="constrained",
    )
    labels = list(dict.fromkeys(label for own in tables.values() for label in own))
    colours = dict(zip(labels, sns.color_palette("colorblind", len(labels)), strict=True))
    for ax, (name, own) in zip(axes.flat, tables.items(), strict=False):
        ax.plot([0, 100], [0, 100], color="0.6", linewidth=1)
        for label, table in own.items():
            x, y = 100 * table["confidence"], 100 * table["accuracy"]
            bars = np.maximum([y - 100 * table["low"], 100 * table["high"] - y], 0)
            ax.errorbar(x, y, yerr=bars, fmt="none", color=colours[label], alpha=0.4, linewidth=1)
            size = 4 + 150 * table["n_tests"] / max(table["n_tests"].sum(), 1)
            ax.plot(x, y, color=colours[label], linewidth=1, label=label)
            ax.scatter(x, y, s=size, color=colours[label], zorder=3)
        ax.set(xlim=(-3, 103), ylim=(-3, 103), aspect="equal")
        ax.set(xticks=(0, 50, 100), yticks=(0, 50, 100))
        ax.set_title(fill(_title(name), 28), fontsize=9)
    for ax in axes.flat[len(tables) :]:
        ax.set_axis_off()
    fig.supxlabel("confidence [%]", fontsize="medium")
    fig.supylabel("accuracy [%],\n95 % interval", fontsize="medium")
    fig.get_layout_engine().set(wspace=0.06)
    if len(labels) > 1:
        handles, names = axes.flat[0].get_legend_handles_labels()
        fig.legend(handles, names, loc="outside upper center", ncols=len(labels), frameon=False)
    return fig


def risk_coverage(curves: dict[str, pd.DataFrame], *, risk: float | None = None) -> Figure:
    """Draw the share of errors among the answered, as a system answers more of the tests.

    Parameters
    ----------
    curves : dict of pd.DataFrame
        By system, from :func:`genrelib.inference.risk_coverage`.
    risk : float, optional
        Aimed at; drawn as a line.
    """
    fig, ax = plt.subplots(figsize=(9, 4.8), layout="constrained")
    palette = sns.color_palette("colorblind")
    for number, (name, curve) in enumerate(curves.items()):
        style = STYLES[number // len(palette) % len(STYLES)]
        colour = palette[number % len(palette)]
        x, y = 100 * curve["coverage"], 100 * curve["risk"]
        ax.plot(x, y, drawstyle="steps-post", color=colour, linestyle=style, label=_title(name))
        ax.plot(x.tail(1), y.tail(1), "o", color=colour, markersize=4)
    if risk is not None:
        ax.axhline(100 * risk, color="0.4", linestyle=":", label=f"{100 * risk:g} % aimed at")
    ax.set(xlim=(0, 101), xlabel="tests answered, the surest first [%]")
    ax.set(ylim=(0, None), ylabel="errors among them [%]")
    fig.legend(loc="outside right upper", frameon=False, fontsize="small")
    return fig


def _said(words):
    fig = plt.figure(figsize=(6, 1), layout="constrained")
    fig.text(0.5, 0.5, words, ha="center", va="center")
    return fig


def _title(name):
    return SYSTEMS[name].title if name in SYSTEMS else name


def _protocol(name):
    return PROTOCOLS[name].title if name in PROTOCOLS else name
