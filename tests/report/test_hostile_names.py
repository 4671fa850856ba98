"""Names that are payloads are text in every page, card and table; ``make torture`` opens a browser.

The browser's part is ``torture.page_cases``.
"""

import html
import re

import pytest
from helpers import hostile
from helpers.notebooks import run_here

from genrelib.base.text import markdown
from genrelib.corpora.credits import plain

SMALL = {"systems": ["mel_svm"], "probed": ["mel_svm"], "probed_tracks": 1, "probed_strengths": 1}


@pytest.mark.parametrize(("corpus", "only"), [("folder", None), ("list", ["01"])])
def test_names_are_text_wherever_they_are_shown(corpus, only, tmp_path):
    root = hostile.study_of_payloads(tmp_path, corpus, protocols=["artist_grouped"], **SMALL)
    run_here(root, hostile.STUDY, only=only)
    report = root / "reports" / hostile.STUDY
    pages = {path.name: path.read_text("utf-8") for path in report.rglob("*.html")}
    pages |= {path.name: hostile.markdown(path.read_text("utf-8")) for path in report.glob("*.md")}
    assert {"index.html", "run.html", "01_data.html", "model_card.md", "datasheet.md"} <= set(pages)
    assert {name: acts for name, page in pages.items() if (acts := hostile.acting(page))} == {}
    shown = set().union(*map(hostile.marks, pages.values()))
    assert {"mark01", "mark03", "mark05", "mark07", "mark99"} <= shown
    tables = list(report.rglob("*.csv"))
    assert len(tables) > 5
    assert {path.name: cells for path in tables if (cells := hostile.formulas(path))} == {}


@pytest.mark.parametrize("text", [*map(plain, hostile.payloads()), "__a__ a_b", "12. c", "- x"])
def test_markdown_shows_a_text_as_it_is(text):
    shown = html.unescape(re.sub("<.*?>", "", hostile.markdown(f"* {markdown(text)}"))).strip()
    assert shown == text


@pytest.mark.parametrize("payload", hostile.payloads())
def test_a_payload_that_is_not_escaped_is_found(payload):
    assert any(
        hostile.acting(page)
        for page in (f"<p>{payload}</p>", f"<p id='{payload}'>", hostile.markdown(f"* {payload}"))
    )
