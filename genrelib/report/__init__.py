"""The report: tables, figures, pages and cards, all below ``reports/<study>/``."""

from .figures import redraw, save_figure
from .tables import (
    clear,
    lacking_systems,
    read_run,
    read_table,
    save_audio,
    save_table,
    table_names,
)
