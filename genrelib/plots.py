"""Figures: each function draws one and returns it; genres keep their order and colour throughout.

Nothing is saved here: :func:`genrelib.report.save_figure` does that, with the data beside it.
"""

import warnings

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from .compiled import librosa
from .features import FEATURES, HOP_LENGTH, SR, STACK_ROWS
from .protocols import PROTOCOLS
from .systems import SYSTEMS

PROTOCOL_COLOURS = dict(zip(PROTOCOLS, sns.color_palette("colorblind"), strict=False))
OTHER_SCRIPTS = ("Noto Sans CJK JP", "Hiragino Sans", "Noto Sans Arabic", "Arial Unicode MS")
AXIS_OF_KIND = {"mel": "mel", "linear": "hz", "chroma": "chroma", "tempo": "tempo"}


def style() -> None:
    """Set the look of all figures and tables; called once at the top of each notebook."""
    sns.set_theme(context="notebook", style="whitegrid", palette="colorblind")
    mpl.rcParams.update(
        {
            "figure.dpi": 72,  # in the notebook; the report's own pictures are sharper
            "savefig.dpi": 100,
            "axes.titlesize": "medium",
            "font.family": ["DejaVu Sans", *(name for name in OTHER_SCRIPTS if _has_font(name))],
        }
    )
    warnings.filterwarnings("ignore", message="Glyph .* missing from")  # shown as a box instead
    pd.set_option("display.max_colwidth", None)


def _has_font(name):
    return name in mpl.font_manager.get_font_names()


def genre_colours(genres: tuple[str, ...]) -> dict[str, tuple[float, float, float]]:
    """Return one colour per genre, the same in every figure of a corpus."""
    palette = "tab10" if len(genres) <= 10 else "husl"
    return dict(zip(genres, sns.color_palette(palette, len(genres)), strict=True))


def corpus_counts(counts: pd.DataFrame, genres: tuple[str, ...]) -> Figure:
    """Draw usable and excluded tracks, and artists, of each genre.

    Parameters
    ----------
    counts : pd.DataFrame, index genre
        Columns ``usable``, ``excluded`` and ``artists``; from :func:`genrelib.corpora.summary`.
    genres : tuple of str
        Of the corpus, which have a colour; others have no usable track.
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
    left.set(yticks=place, yticklabels=counts.index, xlabel="tracks (hatched: excluded)")
    right.barh(place, counts["artists"], color=colours)
    right.set(xlabel="artists")
    left.invert_yaxis()
    return fig


def gallery(matrices: dict[str, dict[str, np.ndarray]]) -> Figure:
    """Draw features (rows) of tracks (columns) on their physical axes.

    Parameters
    ----------
    matrices : dict of dict of np.ndarray
        ``matrices[title][feature]``, each of shape ``(n_bands, n_frames)``.
    """
    titles = list(matrices)
    names = list(matrices[titles[0]])
    fig, axes = plt.subplots(
        len(names),
        len(titles),
        figsize=(3.4 * len(titles), 1.8 * len(names)),
        squeeze=False,
        sharex=True,
        layout="constrained",
    )
    for row, name in zip(axes, names, strict=True):
        for ax, title in zip(row, titles, strict=True):
            show_feature(ax, name, matrices[title][name])
            ax.set_title(f"{title}: {name}")
            ax.label_outer()
    return fig


def show_feature(ax: plt.Axes, name: str, matrix: np.ndarray) -> None:
    """Draw one feature matrix of shape ``(n_bands, n_frames)`` with time and band axes."""
    kind = FEATURES[name].kind
    if kind in AXIS_OF_KIND:
        axes = {"x_axis": "time", "y_axis": AXIS_OF_KIND[kind], "sr": SR, "hop_length": HOP_LENGTH}
        librosa.display.specshow(matrix, ax=ax, cmap="magma", rasterized=True, **axes)
    else:
        seconds = matrix.shape[1] * HOP_LENGTH / SR
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
        ax.set(xlabel="Time", ylabel="row, standardised")
        if name == "stack":
            families = pd.Series([family for family, _ in STACK_ROWS])
            places = families.index.to_series().groupby(families.to_numpy(), sort=False)
            middle = places.mean()[places.size() > 1]  # single rows lie too close for a label
            ax.set_yticks(middle.to_numpy(), middle.index, fontsize=6)
            ax.set_ylabel("")


def band_means(means: pd.DataFrame, name: str) -> Figure:
    """Draw the mean of each band over the tracks of a genre, one line per genre.

    Parameters
    ----------
    means : pd.DataFrame, index band number, columns genres
        In the feature's unit.
    name : str
        Of the feature.
    """
    fig, ax = plt.subplots(figsize=(9, 4.5), layout="constrained")
    lines = [
        ax.plot(means.index, means[genre], color=colour)[0]
        for genre, colour in genre_colours(tuple(means.columns)).items()
    ]
    ax.set(xlabel=f"band of {name} (0 is the lowest)", ylabel=f"mean [{FEATURES[name].unit}]")
    ax.legend(lines, means.columns, ncols=2, fontsize="small", loc="upper right")
    return fig


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
    fig, ax = plt.subplots(figsize=(9, 0.55 * len(names) + 1.6), layout="constrained")
    for i, protocol in enumerate(protocols):
        part = scores[scores["protocol"] == protocol].set_index("system").reindex(names)
        place = np.arange(len(names)) + 0.24 * (i - (len(protocols) - 1) / 2)
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
        ax.plot(claims, place, "D", color="none", markeredgecolor="0.3", label="claimed on GTZAN")
    ax.axvline(100 / n_genres, color="0.5", linestyle=":", label="chance")
    ax.set(yticks=range(len(names)), yticklabels=[SYSTEMS[n].title for n in names])
    ax.set(xlim=(0, 100), xlabel="accuracy [%], with 95 % interval over groups of artists")
    ax.invert_yaxis()
    fig.legend(loc="outside lower center", ncols=4, frameon=False)
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
    for (loss, accuracy), name in zip(axes, names, strict=True):
        part = curves[curves["system"] == name]
        for protocol, colour in PROTOCOL_COLOURS.items():
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
