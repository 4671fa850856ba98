"""Figures of the corpus, its features, and what these tell about genres."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from ..features import FEATURES, HOP_LENGTH, SR
from ..features.compiled import librosa
from ..features.segments import averaged
from ..features.stack import STACK_ROWS
from ..inference import wording
from . import look
from .look import genre_colours, legend, panels
from .results import OVER_GROUPS

MOST_BINS, MOST_FRAMES = 257, 400  # about the pixels that a panel of the gallery has
AXIS_OF_KIND = {"mel": "mel", "linear": "hz", "chroma": "chroma", "tempo": "tempo"}
UNIT_OF_KIND = {"mel": "[Hz]", "linear": "[Hz]", "tempo": "[BPM]"}
_SMALL = {"capsize": 2, "markersize": 5}


def corpus_counts(counts: pd.DataFrame, genres: tuple[str, ...]) -> Figure:
    """Draw usable and excluded tracks, and artists, of each genre.

    `counts` is that of :func:`genrelib.corpora.summary`; `genres` are the corpus's, which have a
    colour: others have no usable track.
    """
    fig, (left, right) = plt.subplots(
        1, 2, figsize=(10, 0.35 * len(counts) + 1.3), sharey=True, layout="constrained"
    )
    place = np.arange(len(counts))
    coloured = genre_colours(genres)
    colours = [coloured.get(genre, "0.7") for genre in counts.index]
    left.barh(place, counts["usable"], color=colours)
    left.barh(
        place, counts["excluded"], left=counts["usable"], color="none", edgecolor="0.3", hatch="///"
    )
    look.name_lines(left, counts.index)
    left.set(xlabel="tracks (hatched: excluded)")
    right.barh(place, counts["artists"], color=colours)
    right.set(xlabel="artists")
    left.invert_yaxis()
    return fig


def gallery(
    matrices: dict[str, dict[str, np.ndarray]], *, frame_s: float = HOP_LENGTH / SR
) -> Figure:
    """Draw features (rows) of tracks (columns) on their physical axes.

    ``matrices[title][feature]`` has shape ``(n_bands, n_frames)``, a frame each `frame_s` seconds.
    """
    titles = list(matrices)
    names = list(matrices[titles[0]])
    margin = 1.25
    width, height = 3.4 * len(titles) + margin, 1.7 * len(names) + 0.9
    fig, axes = plt.subplots(
        len(names), len(titles), figsize=(width, height), squeeze=False, sharex=True
    )
    for row, name in zip(axes, names, strict=True):
        for ax, title in zip(row, titles, strict=True):
            show_feature(ax, name, matrices[title][name], frame_s=frame_s)
            ax.label_outer()
        unit = UNIT_OF_KIND.get(FEATURES[name].kind, "")
        row[0].set_ylabel(f"{wording.feature(name)} {unit}".strip(), fontsize="small")
        row[0].yaxis.set_label_coords(-0.9 * margin / 3.4, 0.5)
    for ax, bottom, title in zip(axes[0], axes[-1], titles, strict=True):
        ax.set_title(title)
        bottom.set_xlabel("time [s]", fontsize="small")
    # by hand: finding the room for so many labels takes longer than drawing them
    fig.subplots_adjust(
        left=margin / width,
        right=1 - 0.1 / width,
        bottom=0.5 / height,
        top=1 - 0.4 / height,
        wspace=0.07,
        hspace=0.12,
    )
    return fig


def show_feature(
    ax: plt.Axes, name: str, matrix: np.ndarray, *, frame_s: float = HOP_LENGTH / SR
) -> None:
    """Draw one feature matrix of shape ``(n_bands, n_frames)`` with time and band axes.

    Frames, and bins of a linear-frequency axis, that would be narrower than a pixel are averaged.
    """
    kind = FEATURES[name].kind
    hop_length = frame_s * SR  # of the tempogram's lags, however few frames are drawn
    seconds = matrix.shape[1] * frame_s
    matrix = averaged(matrix, MOST_BINS if kind == "linear" else None, MOST_FRAMES)
    if kind in AXIS_OF_KIND:
        librosa.display.specshow(
            matrix,
            ax=ax,
            cmap="magma",
            rasterized=True,
            sr=SR,
            hop_length=hop_length,
            x_coords=np.arange(matrix.shape[1]) * seconds / matrix.shape[1],
            x_axis="time",
            y_axis=AXIS_OF_KIND[kind],
        )
    else:
        scale = matrix - matrix.mean(axis=1, keepdims=True)
        scale /= np.maximum(scale.std(axis=1, keepdims=True), 1e-9)
        ax.imshow(
            scale,
            origin="lower",
            aspect="auto",
            extent=(0, seconds, -0.5, len(matrix) - 0.5),
            vmin=-2,
            vmax=2,
            cmap="magma",
            rasterized=True,
        )
        ax.grid(visible=False)
        ax.set(xlabel="Time", ylabel="row")
        if name == "stack":
            families = pd.Series([family for family, _ in STACK_ROWS])
            places = families.index.to_series().groupby(families.to_numpy(), sort=False)
            middle = places.mean()[places.size() > 1]  # single rows lie too close for a label
            ax.set_yticks(middle.to_numpy(), middle.index, fontsize=6)
            ax.set_ylabel("")


def pictures(shown: dict[str, np.ndarray]) -> Figure:
    """Draw pictures side by side: ``(3, height, width)`` in ``[0, 1]``, the first row lowest."""
    fig, axes = panels(len(shown), len(shown), size=(3.2, 2.6))
    for ax, (title, picture) in zip(axes, shown.items(), strict=True):
        ax.imshow(picture.transpose(1, 2, 0), origin="lower", aspect="auto")
        ax.set(title=title, xlabel="frame", ylabel="band")
        ax.grid(visible=False)
    return fig


def band_means(means: pd.DataFrame, name: str) -> Figure:
    """Draw the mean of each row of a feature over the artists of a genre, one line per genre.

    `means` has rows as index, the lowest first, and genres as columns; in the feature's unit.
    """
    fig, ax = plt.subplots(figsize=(9, 4.2), layout="constrained")
    place = np.arange(len(means))
    ends = means.iloc[-1].sort_values()
    step = (means.max(axis=None) - means.min(axis=None)) / 18
    heights = look.apart(ends.to_numpy(), step)
    colours = genre_colours(tuple(means.columns))
    for genre, height in zip(ends.index, heights, strict=True):
        ax.plot(place, means[genre], color=colours[genre])
        style = {"color": colours[genre], "linewidth": 0.8}
        arrow = {"arrowstyle": "-", "shrinkA": 0, "shrinkB": 0, **style}
        at, goal = (place[-1] * 1.03, height), (place[-1], ends[genre])
        ax.annotate(genre, goal, at, va="center", fontsize="small", arrowprops=arrow)
    ticks = np.linspace(0, len(means) - 1, min(8, len(means))).round().astype(int)
    ax.set_xticks(ticks, means.index[ticks])
    ax.set(xlabel=f"row of the {wording.feature(name)}", ylabel=f"mean [{FEATURES[name].unit}]")
    ax.set_xlim(0, max(1, place[-1] * 1.15))
    return fig


def probe_accuracies(scores: pd.DataFrame, n_genres: int) -> Figure:
    """Draw the accuracy of each feature's probe under each protocol, with its interval.

    `scores` is that of :func:`genrelib.inspection.probe_scores`.
    """
    features = list(dict.fromkeys(scores["feature"]))
    fig, ax = plt.subplots(figsize=(9, 0.5 * len(features) + 1.6), layout="constrained")
    named = scores.assign(feature=scores["feature"].map(wording.feature))
    look.by_protocol(ax, named, "feature", **_SMALL)
    look.chance(ax, n_genres)
    ax.set(xlim=(0, 100), ylim=(len(features) - 0.5, -0.5), xlabel=OVER_GROUPS)
    legend(fig, ncols=3, fontsize=None)
    return fig


def pair_separation(pairs: pd.DataFrame) -> Figure:
    """Draw how well each feature's probe separates each pair of genres, a panel per feature.

    `pairs` is that of :func:`genrelib.inspection.genre_pairs`.
    """
    features = list(dict.fromkeys(pairs["feature"]))
    genres = sorted({*pairs["first"], *pairs["second"]})
    size = 1.1 + 0.33 * len(genres)
    columns = min(3, len(features))
    fig, axes = panels(len(features), columns, size=(size + 0.3, size), margin=(0, 0.4))
    for ax, feature in zip(axes, features, strict=True):
        own = pairs[pairs["feature"] == feature]
        table = 100 * own.pivot_table(index="second", columns="first", values="auc", dropna=False)
        _triangle(ax, table.reindex(index=genres[1:], columns=genres[:-1]).to_numpy())
        ax.set_title(wording.feature(feature))
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
                colour = look.ON_DARK if value < 85 else look.ON_LIGHT
                style = {"ha": "center", "va": "center", "fontsize": 7, "color": colour}
                text = ax.text(column, row, f"{value:.0f}", **style)
                text.set_in_layout(False)  # inside its cell: nothing to make room for


def family_scores(families: pd.DataFrame) -> Figure:
    """Draw the accuracy of each family of rows alone, and the loss without it.

    `families` is that of :func:`genrelib.inspection.alone_and_without`.
    """
    names = list(dict.fromkeys(families["family"]))
    n_rows = families.drop_duplicates("family").set_index("family")["n_rows"]
    size = (10, 0.42 * len(names) + 1.6)
    fig, (left, right) = plt.subplots(1, 2, figsize=size, sharey=True, layout="constrained")
    for ax, name in ((left, "alone"), (right, "lost")):
        columns = (name, f"{name}_low", f"{name}_high")
        look.by_protocol(ax, families, "family", columns, **_SMALL)
    look.name_lines(left, [f"{name} ({n_rows[name]})" for name in names])
    left.set(ylim=(len(names) - 0.5, -0.5), xlabel="accuracy of the family alone [%]")
    right.axvline(0, color="0.5", linewidth=0.8)
    right.set(xlabel="lost when the family is left out [points]")
    legend(fig, left, ncols=2, fontsize=None)
    return fig
