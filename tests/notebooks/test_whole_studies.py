"""The smoke study by the command that people use: whole, once more, and read by nbval."""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import nbformat
import pytest
from helpers import browser
from helpers.builders import ROOT, copied_project, results, run
from helpers.page import Page, contradictions, quantities, read, strange_intervals

from genrelib.systems import chosen

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def smoke(tmp_path_factory) -> Path:
    """Return a project in which the smoke study has run undisturbed."""
    root = copied_project(tmp_path_factory.mktemp("project"))
    run(root, "smoke", "--n-jobs", "1")
    return root


def test_the_smoke_study_makes_the_whole_report(smoke):
    report = smoke / "reports" / "smoke"
    for path in PATHS:
        assert (report / "notebooks" / path.name).exists()
        assert (report / "notebooks" / f"{path.stem}.html").exists()
    scores = (report / "tables" / "09_scores.csv").read_text().splitlines()
    assert len(scores) == 1 + len(chosen("all")) * 2
    claims = (report / "tables" / "09_claims.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in claims[1:]] == chosen("all")
    for page in report.rglob("*.html"):
        text = page.read_text()
        for link in re.findall(r'(?:href|src)="([^"#:]+)[^":]*"', text):
            assert (page.parent / unquote(link)).exists(), (page, link)
        assert str(smoke) not in text
        assert "Not up to date" not in text


def test_every_number_that_the_page_shows_twice_is_the_same(smoke):
    report = smoke / "reports" / "smoke"
    tables = read(report)
    assert contradictions(tables) == {}
    shown = [quantity for quantity, _ in quantities(tables)]
    assert len(shown) - len(set(shown)) > 100
    for name in ("index.html", "claims.html", "analysis.html", "model_card.md"):
        assert strange_intervals((report / name).read_text(), tables) == set()


def test_the_front_page_is_short(smoke):
    assert len(Page(smoke / "reports" / "smoke" / "index.html").words) <= 600


needs_browser = pytest.mark.skipif(bool(browser.missing()), reason=browser.missing())


@needs_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_opens_in_a_browser(smoke, theme):
    paths = sorted((smoke / "reports").rglob("*.html"))
    assert len(paths) > 30
    wrong, led, places = {}, set(), {}
    with browser.opened(theme) as page:
        for path in paths:
            page.errors.clear()
            page.goto(path.as_uri())
            places[path.as_uri()] = browser.ids(page)
            led |= {(path, link) for link in browser.links(page)}
            found = [*page.errors, *browser.violations(page), *browser.too_wide(page)]
            wrong |= {path.name: found} if found else {}
    assert wrong == {}
    for path, link in led:
        file, anchor = urldefrag(link)
        if file.startswith("file:"):
            assert Path(unquote(urlsplit(file).path)).exists(), (path, link)
            assert not anchor or {anchor, unquote(anchor)} & places[file], (path, link)
        else:
            known = ("data:", "https://doi.org/", "https://arxiv.org/")
            assert link.startswith(known), (path, link)


@needs_browser
def test_tables_sort_and_filter_and_the_theme_switches(smoke):
    report = smoke / "reports" / "smoke"
    with browser.opened("light") as page:
        page.goto((report / "index.html").as_uri())
        page.click("#theme")
        paper = "getComputedStyle(document.body).backgroundColor"
        assert page.evaluate(paper) == "rgb(21, 21, 27)"
        page.reload()
        assert page.evaluate(paper) == "rgb(21, 21, 27)"  # it is remembered
        column = "[...document.querySelectorAll('table.sortable td:nth-child(2)')]"
        for order in (-1, 1):
            page.click("table.sortable th:nth-child(2) button")
            values = page.evaluate(f"{column}.map((cell) => +cell.dataset.v)")
            assert len(values) > 2
            assert values == sorted(values, key=lambda value: order * value)
        page.goto((report / "tracks.html").as_uri())
        first = page.text_content("#tracks tbody tr td").split()[0]
        names = page.locator("#tracks tbody tr td:first-child").all_text_contents()
        page.fill("[data-part=text]", first.upper())
        shown = sum(first.lower() in name.lower() for name in names)
        assert page.locator("#tracks tbody tr:visible").count() == shown < len(names)
        assert page.text_content("[data-part=count]") == f"{shown} of {len(names)} tracks"
        page.fill("[data-part=text]", "")
        page.select_option("[data-part=genre]", index=1)
        genre = page.input_value("[data-part=genre]")
        rows = page.locator("#tracks tbody tr:visible")
        assert 0 < rows.count() < len(names)
        assert set(rows.locator("td:nth-child(2)").all_text_contents()) == {genre}
        assert page.errors == []


def test_executed_notebooks_are_free_of_paths_and_warnings(smoke):
    for path in (smoke / "reports" / "smoke" / "notebooks").glob("*.ipynb"):
        text = path.read_text()
        assert str(smoke) not in text
        assert "site-packages" not in text
        assert not [
            out
            for cell in nbformat.read(path, as_version=4).cells
            for out in cell.get("outputs", [])
            if out.get("name") == "stderr"
        ]


def nbval(*paths: Path, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-q", "-p"]
    command += ["no:cacheprovider", "-c", os.devnull, "--rootdir", str(cwd), *map(str, paths)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_nbval_accepts_the_stored_outputs(smoke):
    """The notebooks as they are, over what the study has rendered and fitted."""
    done = nbval(smoke / "notebooks", cwd=smoke)
    assert done.returncode == 0, done.stdout


def test_nbval_refuses_a_wrong_stored_output(smoke):
    """The first notebook stands for all: each has its output stored, see above."""
    notebook = nbformat.read(PATHS[0], as_version=4)
    output = notebook.cells[-1].outputs[0]
    number = re.search(r"\d+", output["text"])[0]
    output["text"] = output["text"].replace(number, f"{number}1", 1)
    wrong = smoke / "notebooks" / "01_wrong.ipynb"
    nbformat.write(notebook, wrong)
    done = nbval(wrong, cwd=smoke)
    wrong.unlink()
    assert "1 failed" in done.stdout


def test_a_second_run_fits_nothing_and_changes_no_byte(smoke):
    before, fitted = results(smoke, "smoke"), smoke / "reports" / "smoke" / "predictions"
    times = {path: path.stat().st_mtime_ns for path in fitted.rglob("*")}
    run(smoke, "smoke", "--n-jobs", "1")
    assert results(smoke, "smoke") == before
    assert {path: path.stat().st_mtime_ns for path in fitted.rglob("*")} == times
