"""Figures of what systems reach, how far that carries, and what they listen to."""

import itertools
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from ..base.errors import unknown
from ..explain.attributions import METHODS
from ..explain.causes import CHANGES
from ..explain.faithfulness import LIMIT, RANDOM
from ..inference.leakage import ALONE, EXCESS, LADDER, LENIENT, MATCHED, SIDES, STRICT, TOGETHER
from ..protocols import DECOMPOSITION
from ..robustness import INTERVENTIONS
from ..robustness.variants import KINDS
from ..systems import SYSTEMS
from . import look
from .look import PROTOCOL_COLOURS, intervals, legend, panels

OVER_ARTISTS = "95 % interval over artists"
FEWEST = 10  # tests in a bin that is drawn
OVER_GROUPS = "accuracy [%], with 95 % interval over groups of artists"
_SHARES = {"vmin": 0, "vmax": 100, "cmap": "rocket_r", "annot": True, "fmt": ".0f", "cbar": False}
_STYLES = ("-", "--", ":", "-.")
_MARKERS = "osD^vPX*<>"
_LINES = {"integrated gradients": "C0", "occlusion": "C1"}
_VALUES = {
    "accuracy": ("low", "high", "accuracy [%]"),
    "flip_rate": ("flip_low", "flip_high", "changed answers [%]"),
}


def accuracies(scores: pd.DataFrame, n_genres: int) -> Figure:
    """Draw accuracy with its interval for each system and protocol, beside claim and chance.

    `scores` is that of :func:`genrelib.inference.scores`; chance is one over `n_genres`.
    """
    scores = look.best_first(scores, scores)
    names = list(dict.fromkeys(scores["system"]))
    n_protocols = scores["protocol"].nunique()
    height = max(0.55, 0.13 * n_protocols) * len(names) + 1.2 + 0.25 * n_protocols
    fig, ax = plt.subplots(figsize=(9, height), layout="constrained")
    look.by_protocol(ax, scores, "system", step=min(0.24, 0.8 / n_protocols))
    claimed = [(i, SYSTEMS[n].claim) for i, n in enumerate(names) if SYSTEMS[n].claim is not None]
    if claimed:
        place, claims = zip(*claimed, strict=True)
        ax.plot(claims, place, "D", color="none", markeredgecolor="0.3", label="claimed")
    look.chance(ax, n_genres)
    look.name_lines(ax, [look.system(name) for name in names])
    ax.set(xlim=(0, 100), xlabel=OVER_GROUPS)
    ax.invert_yaxis()
    legend(fig, ncols=2)
    return fig


def confusions(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw confusion matrices side by side: by title, rows the genre, columns the predicted one."""
    fig, axes = panels(len(tables), 3, size=(4.3, 4.1))
    for ax, (title, table) in zip(axes, tables.items(), strict=True):
        ticks = {"xticklabels": True, "yticklabels": True}
        sns.heatmap(100 * table, ax=ax, annot_kws={"size": 7}, square=True, **ticks, **_SHARES)
        look.ink_cells(ax)
        ax.set(title=fill(title, 34), xlabel="heard as", ylabel="label")
        ax.tick_params(labelsize=8)
    return fig


def learning_curves(curves: pd.DataFrame) -> Figure | None:
    """Draw training and validation loss and validation accuracy over epochs.

    Lines are means over fits, as far as all of them were trained; early stopping ends some before.
    Protocols that only serve the decomposition of the leakage are not drawn. `curves` is that of
    :func:`genrelib.experiments.predictions.curves`; without any there is no figure.
    """
    names = list(dict.fromkeys(curves["system"]))
    if not names:
        return None
    fig, axes = panels(2 * len(names), 2, size=(5, 2.6), margin=(0, 0.9), sharex="row")
    shown = [protocol for protocol in PROTOCOL_COLOURS if protocol not in DECOMPOSITION]
    for loss, accuracy, name in zip(axes[::2], axes[1::2], names, strict=True):
        part = curves[curves["system"] == name]
        for protocol in shown:
            colour = PROTOCOL_COLOURS[protocol]
            epochs = part[part["protocol"] == protocol].groupby("epoch")
            mean = epochs[["train_loss", "valid_loss", "valid_acc"]].mean()
            mean = mean[epochs.size() == epochs.size().max()]
            if mean.empty:
                continue
            title = look.protocol(protocol)
            loss.plot(mean["train_loss"], color=colour, linestyle="--", label=f"{title}: training")
            loss.plot(mean["valid_loss"], color=colour, label=f"{title}: validation")
            accuracy.plot(100 * mean["valid_acc"], color=colour, label=title)
        loss.set(title=look.system(name), xlabel="epoch", ylabel="loss [nats]")
        accuracy.set(xlabel="epoch", ylabel="validation accuracy [%]", ylim=(0, 100))
        loss.xaxis.set_major_locator(MaxNLocator(integer=True))
    marks = {}
    for ax in axes[::2]:
        marks |= {line.get_label(): line for line in ax.get_legend_handles_labels()[0]}
    fig.legend(marks.values(), marks, loc="outside lower center", ncols=2, frameon=False)
    return fig


def recalls(shares: pd.DataFrame) -> Figure:
    """Draw which share of each genre each system names right; see :func:`..inference.recalls`."""
    fig, ax = plt.subplots(figsize=(9, 0.4 * len(shares) + 1.2), layout="constrained")
    table = 100 * shares.set_axis([look.system(name) for name in shares.index])
    sns.heatmap(table, ax=ax, xticklabels=True, yticklabels=False, **_SHARES)
    plt.setp(ax.get_xticklabels(), rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(np.arange(len(table)) + 0.5, table.index)  # seaborn would turn a lone long one
    look.ink_cells(ax)
    ax.set(xlabel="", ylabel="")
    return fig


def costs(table: pd.DataFrame) -> Figure:
    """Draw accuracy beside the multiply-adds of one example, a line per system.

    `table` is that of :func:`genrelib.inference.costs`; networks than which no other is as cheap
    and better have a colour of their own.
    """
    size = (9, 0.42 * len(table) + 1.2)
    options = {"sharey": True, "width_ratios": (3, 2), "layout": "constrained"}
    fig, (left, right) = plt.subplots(1, 2, figsize=size, **options)
    is_network = table["multiply_adds"] > 0
    for place, (row, costs_some) in enumerate(zip(table.itertuples(), is_network, strict=True)):
        colour = {"color": "C0" if row.is_best else "0.4"}
        intervals(left, [place], [row.accuracy], [row.low], [row.high], **colour)
        if costs_some:
            right.plot(row.multiply_adds, place, "o", **colour)
        else:
            words = {"color": "0.4", "fontsize": "small", "va": "center"}
            right.text(0.03, place, "no network", transform=right.get_yaxis_transform(), **words)
    left.set(xlim=(0, 100), xlabel=f"accuracy [%], {OVER_ARTISTS}")
    look.name_lines(left, [look.system(name) for name in table["system"]])
    left.set_ylim(len(table) - 0.5, -0.5)
    right.set(xlabel="multiply-adds per example")
    if is_network.any():
        right.set_xscale("log")
        right.xaxis.set_major_formatter(EngFormatter())
    right.margins(x=0.1)
    return fig


def growth(scores: pd.DataFrame, shares: dict[str, float]) -> Figure | None:
    """Draw accuracy against the share of the training artists, for the protocols in `shares`."""
    part = scores[scores["protocol"].isin(shares)]
    if part.empty:
        return None
    fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
    part = part.assign(share=100 * part["protocol"].map(shares)).sort_values("share", kind="stable")
    lines = dict(list(part.groupby("system", sort=False)))
    ends = pd.Series({name: 100 * own["accuracy"].iloc[-1] for name, own in lines.items()})
    ends = ends.sort_values(kind="stable")
    heights = look.apart(ends.to_numpy(), 5)
    for number, (name, height) in enumerate(zip(ends.index, heights, strict=True)):
        own, colour = lines[name], f"C{number}"
        place = own["share"] + number - len(ends) + 1  # side by side, none beyond the scale
        columns = (own[column] for column in ("accuracy", "low", "high"))
        intervals(
            ax, place, *columns, upright=True, fmt="o-", color=colour, label=look.system(name)
        )
        words = {"color": colour, "fontsize": "small", "va": "center"}
        ax.text(103, height, fill(look.system(name), 24), **words)
    ax.set(xlabel="artists of each genre to train on [% of those there are]", ylabel="accuracy [%]")
    ax.set_xticks(sorted(100 * share for share in shares.values()))
    return fig


def ranking(table: pd.DataFrame, n_genres: int) -> Figure:
    """Draw systems by accuracy, and bars that join those without a significant difference.

    `table` is that of :func:`genrelib.inference.ranking`, best first.
    """
    size = (9, 0.38 * len(table) + 1.4)
    options = {"sharey": True, "width_ratios": (4, 1), "layout": "constrained"}
    fig, (left, right) = plt.subplots(1, 2, figsize=size, **options)
    place = np.arange(len(table))
    intervals(left, place, table["accuracy"], table["low"], table["high"], color="0.2")
    left.axvline(100 / n_genres, color="0.5", linestyle=":")
    left.text(100 / n_genres, -0.75, " chance", color="0.4", fontsize="small", va="center")
    left.set(xlim=(0, 100), xlabel=f"accuracy [%], {OVER_ARTISTS}")
    look.name_lines(left, [look.system(name) for name in table["system"]])
    names = _letters(table["letters"])
    for column, letter in enumerate(names):
        inside = place[[letter in _letters([own]) for own in table["letters"]]]
        right.plot([column] * len(inside), inside, "o-", color="0.2", markersize=4, linewidth=2)
    right.set(xticks=range(len(names)), xticklabels=names, xlabel="tied")
    right.set_xlim(-0.7, len(names) - 0.3)
    right.grid(visible=False, axis="x")
    left.set_ylim(len(table) - 0.4, -1.1)
    return fig


def _letters(texts):
    """List the letters of sets, each once: a letter and the digits after it."""
    found = pd.Series(list(texts), dtype=str).str.findall(r"[a-z]\d*").explode().dropna()
    return sorted(found.unique(), key=lambda name: (int(name[1:] or 1), name[0]))


def ladder(rungs: pd.DataFrame, lost: pd.DataFrame) -> Figure | None:
    """Draw each step of :func:`genrelib.inference.ladder`, and last the loss to new artists.

    `lost` is that of :func:`genrelib.inference.leakage`; hollow marks are its losses to which fewer
    training tracks add.
    """
    if lost.empty:
        return None
    names = [name for name in dict.fromkeys(rungs["system"]) if name in set(lost["system"])]
    rungs = rungs[rungs["difference"].notna() & rungs["system"].isin(names)]
    is_whole = (rungs["protocol"] == STRICT) & rungs["before"].isin([MATCHED, LENIENT])
    steps = rungs[~is_whole].sort_values("protocol", key=lambda own: own.map(LADDER.index))
    panels_of = list(steps.groupby(["before", "protocol"], sort=False))
    fig, axes = _side_by_side(len(panels_of) + 1, names, size=(2.1, 0.34), height=2.3)
    ends = ["difference", "difference_high", "difference_low"]
    for ax, ((before, after), part) in zip(axes, panels_of, strict=False):
        change = -part.set_index("system").reindex(names)[ends]
        intervals(ax, np.arange(len(names)), *change.to_numpy(float).T, color="0.3")
        title = f"{look.protocol(before)} → {look.protocol(after)}"
        ax.set_title(fill(title, 24), fontsize="small")
    for before, face in ((MATCHED, "0.2"), (LENIENT, "white")):
        part = lost[lost["before"] == before].set_index("system").reindex(names)
        change = -part[["difference", "high", "low"]]
        style = {"color": "0.2", "markerfacecolor": face}
        style["label"] = f"from {look.protocol(before)}"
        intervals(axes[-1], np.arange(len(names)), *change.to_numpy(float).T, **style)
    axes[-1].set_title("all in all, to new artists", fontsize="small")
    for ax in axes:
        ax.axvline(0, color="0.5", linewidth=1)
    axes[0].invert_yaxis()
    legend(fig, axes[-1], "upper center", ncols=2)
    fig.supxlabel(f"change of accuracy [points], {OVER_ARTISTS}", fontsize="medium")
    return fig


def controls(table: pd.DataFrame) -> Figure | None:
    """Draw what systems lose on tracks alone in their group, the control, and on the others.

    `table` is that of :func:`genrelib.inference.controls`.
    """
    names = list(dict.fromkeys(table["system"]))
    if not names:
        return None
    fig, axes = _side_by_side(2, names, size=(4.2, 0.42), height=2.0)
    for ax, kinds in zip(axes, ((ALONE, TOGETHER), (EXCESS,)), strict=True):
        for shift, kind in zip((0.12, -0.12), kinds, strict=False):
            part = table[table["tracks"] == kind].set_index("system").reindex(names)
            values = part[["difference", "low", "high"]].to_numpy(float).T
            colour = {ALONE: "C1", TOGETHER: "C0", EXCESS: "0.2"}[kind]
            place = np.arange(len(names)) + (shift if len(kinds) > 1 else 0)
            intervals(ax, place, *values, color=colour, label=f"tracks {kind}")
        ax.axvline(0, color="0.5", linewidth=1)
    axes[0].set_title("loss", fontsize="small")
    axes[1].set_title("loss with others less loss alone", fontsize="small")
    axes[0].invert_yaxis()
    legend(fig, axes[0], "upper center", ncols=2)
    fig.supxlabel(f"loss of accuracy [points], {OVER_ARTISTS}", fontsize="medium")
    return fig


def ablation(table: pd.DataFrame) -> Figure | None:
    """Draw what variants of a system gain or lose against the first, with intervals over groups.

    `table` is that of :func:`genrelib.study.ablation.ablation`.
    """
    rows = table[table["difference"].notna()].sort_values("difference", ascending=False)
    if rows.empty:
        return None
    fig, ax = plt.subplots(figsize=(8, 0.3 * len(rows) + 1), layout="constrained")
    intervals(ax, np.arange(len(rows)), *rows[["difference", "low", "high"]].to_numpy(float).T)
    ax.axvline(0, color="0.5", linewidth=1)
    look.name_lines(ax, rows["variant"])
    ax.set_xlabel(f"accuracy less that of {table['variant'].iloc[0]} [points], {OVER_ARTISTS}")
    return fig


def cross_collection(table: pd.DataFrame, n_genres: int) -> Figure | None:
    """Draw accuracy with and without the tested collection among the training data.

    `table` is that of :func:`genrelib.inference.cross_collection`.
    """
    if table.empty:
        return None
    names = list(dict.fromkeys(table["system"]))
    directions = list(table.groupby(["trained_on", "tested_on"], sort=False))
    fig, axes = _side_by_side(len(directions), names, size=(3.2, 0.42), height=1.9)
    for ax, ((trained, tested), part) in zip(axes, directions, strict=True):
        part = part.set_index("system").reindex(names)
        for shift, side, words in (
            (-0.12, "within", "the tested collection is trained on too, other artists"),
            (0.12, "cross", "it is not"),
        ):
            own = (part[f"{name}_{side}"] for name in ("accuracy", "low", "high"))
            style = {"color": PROTOCOL_COLOURS[SIDES[side]], "label": words}
            intervals(ax, np.arange(len(names)) + shift, *own, **style)
        look.chance(ax, n_genres)
        ax.set_title(f"trained on {trained}, tested on {tested}", fontsize="small")
    legend(fig, axes[0], "upper center", ncols=3)
    axes[0].set(xlim=(0, 100), ylim=(len(names) - 0.5, -0.5))
    fig.supxlabel(f"accuracy [%], {OVER_ARTISTS}", fontsize="medium")
    return fig


def _side_by_side(n, names, *, size, height):
    """Return a figure and `n` axes in one line, which share the names of systems."""
    margin = (2.6, height + size[1] * (len(names) - 1))
    fig, axes = panels(n, n, size=size, margin=margin, sharex=True, sharey=True)
    look.name_lines(axes[0], [look.system(name) for name in names])
    return fig, axes


def reliability(tables: dict[str, dict[str, pd.DataFrame]]) -> Figure:
    """Draw accuracy against confidence: on the diagonal a system is as often right as it is sure.

    `tables[system][label]` are from :func:`genrelib.inference.reliability`; labels are such as "as
    trained" and "calibrated". Marks are as large as the bin's share of tests; bins of fewer than
    ten tests say little and are not drawn.
    """
    shared = {"sharex": True, "sharey": True}
    columns = min(4, len(tables))
    fig, axes = panels(len(tables), columns, size=(2.7, 2.75), margin=(0, 0.4), **shared)
    labels = list(dict.fromkeys(label for own in tables.values() for label in own))
    colours = dict(zip(labels, sns.color_palette("colorblind", len(labels)), strict=True))
    for ax, (name, own) in zip(axes, tables.items(), strict=True):
        ax.plot([0, 100], [0, 100], color="0.6", linewidth=1)
        for label, whole in own.items():
            table = whole[whole["n_tests"] >= FEWEST]
            x, colour = 100 * table["confidence"], {"color": colours[label]}
            style = {"upright": True, "fmt": "none", "capsize": None, "alpha": 0.4, "linewidth": 1}
            intervals(ax, x, table["accuracy"], table["low"], table["high"], **style, **colour)
            size = 4 + 150 * table["n_tests"] / max(whole["n_tests"].sum(), 1)
            ax.plot(x, 100 * table["accuracy"], linewidth=1, label=label, **colour)
            ax.scatter(x, 100 * table["accuracy"], s=size, zorder=3, **colour)
        ax.set(xlim=(-3, 103), ylim=(-3, 103), aspect="equal")
        ax.set(xticks=(0, 50, 100), yticks=(0, 50, 100))
        ax.set_title(fill(look.system(name), 28), fontsize=9)
    fig.supxlabel("confidence [%]", fontsize="medium")
    fig.supylabel("accuracy [%],\n95 % interval", fontsize="medium")
    fig.get_layout_engine().set(wspace=0.06)
    if len(labels) > 1:
        legend(fig, axes[0], "upper center", ncols=len(labels), fontsize=None)
    return fig


def risk_coverage(curves: dict[str, pd.DataFrame], *, risk: float) -> Figure:
    """Draw the share of errors among the answered, as a system answers more of the tests.

    `curves` by system are from :func:`genrelib.inference.risk_coverage`; `risk` is the share of
    errors aimed at, drawn as a line.
    """
    fig, ax = plt.subplots(figsize=(9, 4.8), layout="constrained")
    looks = itertools.product(_STYLES, sns.color_palette("colorblind"))
    for (name, curve), (style, colour) in zip(curves.items(), itertools.cycle(looks), strict=False):
        x, y = 100 * curve["coverage"], 100 * curve["risk"]
        line = {"drawstyle": "steps-post", "color": colour, "linestyle": style}
        ax.plot(x, y, label=look.system(name), **line)
        ax.plot(x.tail(1), y.tail(1), "o", color=colour, markersize=4)
    ax.axhline(100 * risk, color="0.4", linestyle=":", label=f"{100 * risk:g} % aimed at")
    ax.set(xlim=(0, 101), xlabel="tests answered, the surest first [%]")
    ax.set(ylim=(0, None), ylabel="errors among them [%]")
    legend(fig, loc="right upper")
    return fig


def robustness(table: pd.DataFrame, value: str = "accuracy", *, n_genres: int) -> Figure:
    """Draw accuracy or flip rate against strength: a panel per intervention, a line per system.

    `table` is that of :func:`genrelib.robustness.by_strength`; `value`, "accuracy" or "flip_rate",
    is drawn, beside the accuracy chance, one over `n_genres`. Strengths are at equal distances, in
    the order of the registry; the neutral one is "none".
    """
    if value not in _VALUES:
        raise unknown("value", value, _VALUES)
    names = [name for name in INTERVENTIONS if name in set(table["intervention"])]
    fig, axes = panels(len(names), 4, size=(3.1, 2.5), margin=(0, 0.5), sharey=True)
    for ax, name in zip(axes, names, strict=True):
        own = table[table["intervention"] == name]
        row = INTERVENTIONS[name]
        shown = [strength for strength in row.strengths if strength in set(own["strength"])]
        _lines(ax, own, value, "strength", shown, table)
        labels = ["none" if strength == row.neutral else f"{strength:g}" for strength in shown]
        ax.set_xticks(range(len(shown)), labels)
        ax.set(title=row.title, xlabel=f"[{row.unit}]")
        _scale(ax, value, n_genres)
    for ax in axes[::4]:
        ax.set_ylabel(_VALUES[value][2])
    legend(fig, axes[0], ncols=3)
    return fig


def recordings(table: pd.DataFrame, n_genres: int) -> Figure:
    """Draw accuracy for songs as recorded and as recorded differently, beside chance.

    `table` is that of :func:`genrelib.robustness.by_kind`.
    """
    shown = [kind for kind in KINDS if kind in set(table["kind"])]
    fig, ax = plt.subplots(figsize=(2.2 * len(shown) + 1, 4), layout="constrained")
    _lines(ax, table, "accuracy", "kind", shown, table, joined=False)
    ax.set_xticks(range(len(shown)), [KINDS[kind] for kind in shown])
    ax.set_ylabel(_VALUES["accuracy"][2])
    ax.grid(visible=False, axis="x")
    _scale(ax, "accuracy", n_genres)
    legend(fig, ax, ncols=3)
    return fig


def _lines(ax, own, value, column, shown, table, *, joined=True) -> None:
    """Draw each system's values, side by side so that no interval hides another."""
    low, high, _ = _VALUES[value]
    systems = list(dict.fromkeys(table["system"]))
    palette = "colorblind" if len(systems) <= 10 else "husl"
    colours = sns.color_palette(palette, len(systems))
    places = np.linspace(-1, 1, len(systems) + 2)[1:-1] * (0.25 if joined else 0.4)
    style = {"upright": True, "capsize": None, "markersize": 4, "linewidth": 1.2, "elinewidth": 0.8}
    for name, colour, marker, shift in zip(
        systems, colours, itertools.cycle(_MARKERS), places, strict=False
    ):
        part = own[own["system"] == name].set_index(column).reindex(shown)
        fmt, columns = f"{marker}-" if joined else marker, (part[c] for c in (value, low, high))
        mark = {"fmt": fmt, "color": colour, "label": look.system(name)}
        intervals(ax, np.arange(len(shown)) + shift, *columns, **mark, **style)


def _scale(ax, value, n_genres) -> None:
    ax.set_ylim(-3, 103)  # a marker at the end of the scale is seen whole
    ax.tick_params(labelsize="small")
    if value == "accuracy":
        look.chance(ax, n_genres, upright=True)


def deletion_curves(curves: pd.DataFrame, areas: pd.DataFrame) -> Figure:
    """Draw how the predicted genre's probability falls as patches are deleted.

    Tables are from :func:`genrelib.explain.deletion` and :func:`genrelib.explain.areas`.
    """
    fig, ax = plt.subplots(figsize=(8, 5.2), layout="constrained")
    mean = curves.groupby(["ranking", "share"], sort=False)["probability"].mean()
    gains = areas[areas["other"] == RANDOM].set_index("ranking")
    for ranking in mean.index.unique("ranking"):
        label, style = ranking, {"color": _LINES.get(ranking, "0.6"), "marker": "o"}
        if ranking == RANDOM:
            style = {"color": "0.2", "linestyle": "--"}
        else:
            gain, low, high = 100 * gains.loc[ranking, ["gain", "low", "high"]].astype(float)
            label = f"{ranking}: {gain:.1f} points below random [{low:.1f}, {high:.1f}]"
        part = mean[ranking]
        ax.plot(100 * part.index, 100 * part, label=label, markersize=4, **style)
    ax.set(xlabel="patches deleted [%]", ylabel="probability of the genre\npredicted for all [%]")
    ax.set(xlim=(0, 100), ylim=(0, None))
    legend(fig, title="order of deletion", frameon=None)
    return fig


def randomisation(cascades: pd.DataFrame) -> Figure:
    """Draw how attributions change as a network's weights are randomised from the last layer on.

    `cascades` is that of :func:`genrelib.explain.cascade`, of one method or several.
    """
    fig, ax = plt.subplots(figsize=(8, 4.6), layout="constrained")
    for method, part in cascades.groupby("method", sort=False):
        title, place = METHODS[method], 100 * part["n_layers"] / part["n_all"]
        value, colour = part["correlation"], _LINES[title]
        error = look.bars(value, part["low"], part["high"]) / 100
        ax.errorbar(place, value, yerr=error, marker="o", color=colour, label=f"{title}, amounts")
        signed = {"color": colour, "linestyle": ":", "marker": "s", "markersize": 4}
        ax.plot(place, part["signed"], label=f"{title}, with signs", **signed)
    ax.axhline(LIMIT, color="0.5", linewidth=1, linestyle="--", label="limit for the amounts")
    ax.axhline(0, color="0.3", linewidth=0.8)
    ax.set(
        xlabel="layers as before training [%], counted from the last",
        ylabel="rank correlation with\nthe trained network's",
        ylim=(min(-0.25, cascades["signed"].min() - 0.05), 1.05),
    )
    legend(fig, ncols=3)
    return fig


def cause_drops(table: pd.DataFrame) -> Figure:
    """Draw what systems lose of the own genre's probability when one cause is changed.

    `table` holds means of ``drop`` by ``system, change``, from :func:`genrelib.inference.means`.
    """
    changes = [change for change in CHANGES if change in set(table["change"])]
    fig, ax = plt.subplots(figsize=(9, 0.85 * len(changes) + 1.6), layout="constrained")
    _bars(ax, table.assign(place=table["change"].map(changes.index)))
    ax.set_yticks(range(len(changes)), [CHANGES[change] for change in changes])
    ax.set_xlabel("loss of the own genre's probability [points]")
    legend(fig, ncols=3)
    return fig


def family_drops(table: pd.DataFrame) -> Figure:
    """Draw the accuracy lost when a family of inputs is shuffled, a panel per system.

    `table` holds means of ``drop`` by ``system, family``, from :func:`genrelib.inference.means`.
    """
    parts = dict(list(table.groupby("system", sort=False)))
    sizes = [len(part) for part in parts.values()]
    height = 0.3 * sum(sizes) / len(parts) + 0.7
    options = {"margin": (0, 0.4), "height_ratios": sizes, "sharex": True}
    fig, axes = panels(len(parts), 1, size=(9, height), **options)
    for ax, (name, part) in zip(axes, parts.items(), strict=True):
        part = part.reset_index(drop=True)
        _bars(ax, part.assign(place=part.index))
        ax.set_yticks(part.index, part["family"], fontsize="small")
        ax.set_title(look.system(name), loc="left")
    axes[-1].set_xlabel("loss of accuracy [points]")
    return fig


def _bars(ax, rows) -> None:
    """Draw each ``drop`` as a horizontal bar at its ``place``, those of systems side by side."""
    systems = list(dict.fromkeys(rows["system"]))
    height = 0.8 / len(systems)
    colours = sns.color_palette("colorblind", len(systems))
    for number, (name, colour) in enumerate(zip(systems, colours, strict=True)):
        own = rows[rows["system"] == name]
        ax.barh(
            own["place"] + (number - (len(systems) - 1) / 2) * height,
            100 * own["drop"],
            xerr=look.bars(own["drop"], own["low"], own["high"]),
            height=0.85 * height,
            color=colour,
            error_kw={"elinewidth": 1, "ecolor": "0.25"},
            label=look.system(name),
        )
    ax.axvline(0, color="0.3", linewidth=0.8)
    ax.invert_yaxis()
    ax.grid(visible=False, axis="y")
