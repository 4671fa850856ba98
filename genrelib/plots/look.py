"""The look of all figures: fonts, and one colour per protocol and genre."""

import warnings

import matplotlib as mpl
import pandas as pd
import seaborn as sns

from ..protocols.registry import PROTOCOLS

_ORDER = dict.fromkeys(["track_random", "artist_grouped", *PROTOCOLS])  # the main two first
_PALETTE = [*sns.color_palette("colorblind"), (0.2, 0.2, 0.2), (0.5, 0.3, 0.1)]
_PALETTE += sns.color_palette("dark", len(_ORDER) - len(_PALETTE))
PROTOCOL_COLOURS = dict(zip(_ORDER, _PALETTE, strict=True))
OTHER_SCRIPTS = ("Noto Sans CJK JP", "Hiragino Sans", "Noto Sans Arabic", "Arial Unicode MS")


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
