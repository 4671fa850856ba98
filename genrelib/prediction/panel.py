"""The panel of notebook 10: drop a file, see its page."""

import html
import tempfile
from pathlib import Path

import ipywidgets as widgets

from . import pages, songs
from .models import Model


def panel(model: Model) -> widgets.Widget:
    """Return a box with a button for audio files, and below it the page of the last one."""
    button = widgets.FileUpload(accept="audio/*", multiple=False, description="Choose a song")
    below = widgets.HTML()

    def show(change) -> None:
        for file in change["new"]:
            below.value = _page(model, Path(file["name"]).name, bytes(file["content"]))

    button.observe(show, names="value")
    return widgets.VBox([button, below])


def _page(model: Model, name: str, content: bytes) -> str:
    """Return the page of an uploaded file, in a frame, or the reason why it can't be read."""
    with tempfile.TemporaryDirectory() as folder:
        path, page = Path(folder) / name, Path(folder) / "page.html"
        path.write_bytes(content)
        song = songs.listen(model, path)
        if song.failure:
            return html.escape(song.verdict)
        pages.write_song(page, song, model)
        inside = html.escape(page.read_text(encoding="utf-8"))
    return (
        f'<iframe srcdoc="{inside}" sandbox="" style="width:100%;height:60rem;border:0"></iframe>'
    )
