"""Pages: a song's answer and an overview of all, each one file that needs no other and no network.

Names of files, artists and titles come from outside: the templates escape them.
"""

import base64
import io
import re
from functools import cache
from pathlib import Path
from urllib.parse import quote

import jinja2
import numpy as np
import pandas as pd
from PIL import Image

from ..base.files import write_text
from ..features import SR
from .models import Model

FOLDER = "songs"
TOP = 3  # genres that a page names
_MAGMA = ((0, 0, 4), (81, 18, 124), (183, 55, 121), (252, 137, 97), (252, 253, 191))


def name_of(number: int, path: Path) -> str:
    """Name a song's page below the overview; the number keeps names apart."""
    plain = re.sub(r"[^a-z0-9]+", "-", Path(path).stem.lower()).strip("-")[:60] or "song"
    return f"{FOLDER}/{number:04d}-{plain}.html"


def written(to: Path) -> list[Path]:
    """List the songs' pages of an earlier call."""
    beside = (Path(to) / FOLDER).glob("*.html")
    return [page for page in beside if re.fullmatch(r"\d{4,}-[a-z0-9-]+\.html", page.name)]


def write_song(page: Path, song, model: Model) -> None:
    """Write the page of a :class:`.songs.Song` that was read."""
    top = song.probabilities.head(TOP)
    columns = [song.genres.index(genre) for genre in top.index]
    shares = song.chances[:, columns]
    length, width = len(song.starts) * song.clip_s, 1000 / len(song.starts)
    bars = []
    for number, (start, chances) in enumerate(zip(song.starts, shares, strict=True)):
        for rank, (share, below) in enumerate(zip(chances, np.cumsum(chances), strict=True)):
            place = {"x": 1000 * number / len(song.starts), "width": width, "rank": rank}
            place |= {"y": 100 - 100 * below, "height": 100 * share}
            says = f"{_clock(start)}: {top.index[rank]} {100 * share:.0f} %"
            bars.append(place | {"says": says})
    kinds = dict(tuple(song.reasons.groupby("kind"))) if len(song.reasons) else {}
    context = {
        "song": song,
        "name": song.path.name.encode("utf-8", "backslashreplace").decode(),
        "top": list(top.items()),
        "bars": bars,
        "first": _clock(song.starts[0]),
        "last": _clock(song.starts[0] + length),
        "picture": _picture(song.picture),
        "sr": SR,
        "nearest": song.nearest.to_dict("records"),
        "kinds": {kind: _reasons(table) for kind, table in kinds.items()},
        "at": _clock(song.reasons_at),
        **_card(model),
    }
    write_text(page, _template("song.html").render(context))


def write_overview(
    page: Path, table: pd.DataFrame, links: list[str], model: Model, said: str
) -> None:
    """Write the page of all songs; `links` are theirs, in the order of the table."""
    chances = table.filter(regex="^p_").rename(columns=lambda name: name.removeprefix("p_"))
    lines = []
    rows = table.to_dict("records")
    for row, link, (_, own) in zip(rows, links, chances.iterrows(), strict=True):
        top = own.dropna().sort_values(ascending=False, kind="stable").head(TOP)
        lines.append({**row, "link": quote(link), "top": list(top.items())})
    write_text(page, _template("overview.html").render(lines=lines, said=said, **_card(model)))


@cache
def _template(name: str) -> jinja2.Template:
    loader = jinja2.PackageLoader("genrelib.prediction")
    templates = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True)
    templates.filters["percent"] = lambda share: f"{100 * share:.0f} %"
    return templates.get_template(name)


def _card(model: Model) -> dict[str, object]:
    return {"model": model.header, "caution": model.caution, "chance": 1 / len(model.genres)}


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes}:{seconds:02d}"


def _reasons(table: pd.DataFrame) -> list[dict]:
    """Lay out pieces with their loss; the bar of the largest is full."""
    most = max(table["loss"].abs().max(), 1e-9)
    rows = table.assign(share=table["loss"].abs() / most, speaks_for=table["loss"] >= 0)
    return rows.to_dict("records")


def _picture(decibels: np.ndarray) -> str:
    """Draw a spectrogram, lowest band at the bottom; return it as a data address."""
    low, high = decibels.min(), decibels.max()
    share = (decibels[::-1] - low) / max(high - low, 1e-9)
    image = Image.fromarray(np.round(255 * share).astype(np.uint8), mode="L")
    image.putpalette(_palette())
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=3)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


@cache
def _palette() -> bytes:
    """Return 256 colours, red, green and blue of each, between those of magma."""
    levels, places = np.linspace(0, 1, 256), np.linspace(0, 1, len(_MAGMA))
    channels = [np.interp(levels, places, channel) for channel in zip(*_MAGMA, strict=True)]
    return np.stack(channels, axis=1).round().astype(np.uint8).tobytes()
