"""The look of all figures: fonts, colours, titles, panels, and points with confidence intervals."""

import warnings
from textwrap import fill

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from ..inference.leakage import STRICT
from ..inference.wording import title
from ..protocols import PROTOCOLS
from ..systems import SYSTEMS

_ORDER = dict.fromkeys(["track_random", "artist_grouped", *PROTOCOLS])  # the main two first
_PALETTE = [*sns.color_palette("colorblind"), (0.2, 0.2, 0.2), (0.5, 0.3, 0.1)]
_PALETTE += sns.color_palette("dark", len(_ORDER) - len(_PALETTE))
PROTOCOL_COLOURS = dict(zip(_ORDER, _PALETTE, strict=True))
_GENRES = ["#332288", "#CC6677", "#117733", "#DDAA33", "#66AADD", "#882255", "#44AA99", "#777722"]
_GENRES += ["#AA4499", "#555555"]  # after Paul Tol: neighbours differ to colour-blind readers too
OTHER_SCRIPTS = ("Noto Sans CJK JP", "Hiragino Sans", "Noto Sans Arabic", "Arial Unicode MS")


def style() -> None:
    """Set the look of all figures and tables; called once at the top of each notebook."""
    sns.set_theme(context="notebook", style="whitegrid", palette="colorblind")
    mpl.rcParams.update(
        {
            "figure.dpi": 72,  # in the notebook; the report's own pictures are sharper
            "savefig.dpi": 100,
            "axes.titlesize": "medium",
            "text.parse_math": False,  # a genre may be called $x$
            "font.family": ["DejaVu Sans", *(name for name in OTHER_SCRIPTS if _has_font(name))],
        }
    )
    warnings.filterwarnings("ignore", message="Glyph .* missing from")  # shown as a box instead
    pd.set_option("display.max_colwidth", None)
    pd.set_option("display.html.use_mathjax", False)


def _has_font(name):
    return name in mpl.font_manager.get_font_names()


def genre_colours(genres: tuple[str, ...]) -> dict[str, tuple[float, float, float]]:
    """Return one colour per genre, the same in every figure of a corpus."""
    palette = _GENRES if len(genres) <= len(_GENRES) else "husl"
    return dict(zip(genres, sns.color_palette(palette, len(genres)), strict=True))


def system(name: str) -> str:
    """Return a system's title; a name that the registry lacks stays."""
    return title(name, SYSTEMS)


def protocol(name: str) -> str:
    """Return a protocol's title; a name that the registry lacks stays."""
    return title(name, PROTOCOLS)


def best_first(table: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Sort the systems of a table by their accuracy in `scores` when every artist is new.

    Where that split is not among the scores, the strictest one that is there counts. Systems
    without a score come last; the rows of a system keep their order.
    """
    met = set(scores["protocol"])
    strict = STRICT if STRICT in met else [name for name in PROTOCOLS if name in met][-1]
    own = scores[scores["protocol"] == strict].set_index("system")["accuracy"]
    place = table["system"].map(own.rank(ascending=False, method="first"))
    return table.loc[place.sort_values(kind="stable").index]


def apart(heights, step: float) -> np.ndarray:
    """Move ascending heights apart, so that no name at one of them lies upon another's."""
    moved = np.array(heights, float)
    for n in range(1, len(moved)):
        moved[n] = max(moved[n], moved[n - 1] + step)
    return moved - (moved - heights).mean()


def panels(n, columns, *, size, margin=(0, 0), **options):
    """Return a figure and `n` axes in lines of `columns`, each of `size` inches."""
    lines = -(-n // columns)
    figsize = (size[0] * columns + margin[0], size[1] * lines + margin[1])
    fig, axes = plt.subplots(
        lines, columns, figsize=figsize, squeeze=False, layout="constrained", **options
    )
    for ax in axes.flat[n:]:
        ax.set_axis_off()
    return fig, list(axes.flat[:n])


def bars(value, low, high) -> np.ndarray:
    """Return the lengths, in percent, of the two halves of confidence intervals of fractions."""
    value, low, high = (100 * np.asarray(bound, float) for bound in (value, low, high))
    return np.maximum([value - low, high - value], 0)


def intervals(ax, place, value, low, high, *, upright=False, fmt="o", capsize=3, **look) -> None:
    """Draw fractions as points with their confidence intervals, in percent.

    `place` is the other coordinate; intervals are horizontal, or vertical if `upright`.
    """
    percent, error = 100 * np.asarray(value, float), bars(value, low, high)
    x, y, side = (place, percent, "yerr") if upright else (percent, place, "xerr")
    ax.errorbar(x, y, **{side: error}, fmt=fmt, capsize=capsize, **look)


def by_protocol(ax, table, key, columns=("accuracy", "low", "high"), *, step=0.2, **look) -> None:
    """Draw values with intervals, a line per value of column `key`, a colour per protocol."""
    names, shown = (list(dict.fromkeys(table[column])) for column in (key, "protocol"))
    for i, name in enumerate(shown):
        part = table[table["protocol"] == name].set_index(key).reindex(names)[list(columns)]
        place = np.arange(len(names)) + step * (i - (len(shown) - 1) / 2)
        style = {"color": PROTOCOL_COLOURS[name], "label": protocol(name), **look}
        intervals(ax, place, *part.to_numpy(float).T, **style)
    name_lines(ax, names)


def name_lines(ax, names) -> None:
    """Write names beside lines at 0, 1 and so on; long ones on two."""
    ax.set(yticks=range(len(names)), yticklabels=[fill(name, 36) for name in names])


ON_DARK, ON_LIGHT = "#fffffe", "#161616"
"""Ink on coloured cells: greys of no other ink, so that the report's themes leave them."""


def ink_cells(ax) -> None:
    """Give the numbers that seaborn wrote on a heat map their own ink."""
    for text in ax.texts:
        text.set_color(ON_DARK if text.get_color() == "w" else ON_LIGHT)


def chance(ax, n_genres, *, upright=False) -> None:
    """Draw the accuracy of chance as a dotted line, across points of that direction."""
    (ax.axhline if upright else ax.axvline)(
        100 / n_genres, color="0.5", linestyle=":", label="chance"
    )


def legend(fig, ax=None, loc="lower center", **look) -> None:
    """Put the legend outside the axes; of `ax` alone when all panels have the same marks."""
    marks = ax.get_legend_handles_labels() if ax else ()
    fig.legend(*marks, loc=f"outside {loc}", **{"frameon": False, "fontsize": "small"} | look)
