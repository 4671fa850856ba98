"""The report: tables, figures, the page and its cards, all below ``reports/<study>/``."""

from .tables import (
    clear,
    lacking_systems,
    read_run,
    read_table,
    save_audio,
    save_figure,
    save_table,
)
