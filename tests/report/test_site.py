"""The site: links that lead somewhere, words for pictures, contrast, and a script that works.

It is built from the tables, figures and predictions of a committed report, and of a hostile one.
"""

import html
import re
import shutil
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from helpers.builders import ROOT
from helpers.page import Page, read, strange_intervals

from genrelib import report
from genrelib.base.errors import GenrelibError
from genrelib.base.files import Workspace
from genrelib.protocols import PROTOCOLS
from genrelib.report import cards, figures, page
from genrelib.report.facts import KNOWN, Facts
from genrelib.study import runner
from genrelib.study.parameters import parameters_of
from genrelib.systems import SYSTEMS

STUDY = "gtzan_mel_dev"
COMMITTED = sorted(path.parents[1].name for path in ROOT.glob("reports/*/tables/schema.json"))


def copied(root: Path, study: str) -> Workspace:
    """Copy a committed report's tables, figures, predictions and audio; its pages stay behind."""
    goal = Workspace(study, root)
    for name in ("tables", "figures", "predictions", "audio"):
        source = ROOT / "reports" / study / name
        if source.is_dir():
            shutil.copytree(source, goal.report / name)
    shutil.copytree(ROOT / "notebooks", root / "notebooks")
    shutil.copytree(ROOT / "studies", root / "studies")
    return goal


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Workspace:
    workspace = copied(tmp_path_factory.mktemp("site"), STUDY)
    parameters = parameters_of(workspace)
    cards.write(workspace, parameters)
    page.build(workspace, parameters)
    page.build_overview(workspace, {STUDY: parameters})
    return workspace


def pages(workspace: Workspace) -> list[Path]:
    return sorted(workspace.report.parent.rglob("*.html"))


@cache
def parsed(path: Path) -> Page:
    return Page(path)


def test_every_link_leads_to_a_file_and_an_id(site):
    assert len(pages(site)) > 15
    for path in pages(site):
        for link in parsed(path).links:
            if link.startswith(("https://doi.org/", "https://arxiv.org/", "data:")):
                continue
            name, _, anchor = link.partition("#")
            goal = (path.parent / unquote(name)).resolve() if name else path
            assert goal.exists(), (path.name, link)
            if anchor:
                assert unquote(anchor) in parsed(goal).ids, (path.name, link)


def test_every_page_can_be_walked_without_sight_or_script(site):
    for path in pages(site):
        found = parsed(path)
        assert len(found.ids) == len(set(found.ids)), path
        assert len(found.named("main")) == len(found.named("h1")) == 1, path
        assert any(given.get("class") == "skip" for given in found.named("a")), path
        assert all("id" in given for given in found.named("h2")), path
        assert all(picture.get("alt", "").strip() for picture in found.pictures), path
        assert all(given["src"].endswith("assets/site.js") for given in found.named("script")), path
        assert not [name for _, given in found.tags for name in given if name.startswith("on")], (
            path
        )


def test_alt_texts_state_what_a_figure_shows(site):
    (scores,) = [
        picture
        for picture in parsed(site.report / "analysis.html").pictures
        if picture["src"].endswith("09_scores.svg")
    ]
    table = report.read_table(site, "09_scores").query("protocol == 'artist_grouped'")
    assert f"{100 * table['accuracy'].max():.1f} %" in scores["alt"]


def test_tables_name_systems_protocols_and_sources_by_their_titles(site):
    text = (site.report / "analysis.html").read_text("utf-8").partition('<h2 id="tables">')[2]
    assert "“support vector machine on mel statistics” loses from" in text
    assert "student report" in text
    names = {*SYSTEMS, *PROTOCOLS, *KNOWN["sources"]} - {"official", "ours"}
    assert not names & set(re.findall(r"\w+", re.sub("<[^>]*>", " ", text)))


@pytest.mark.parametrize("study", COMMITTED)
def test_the_front_page_is_short(study, tmp_path, monkeypatch):
    workspace = copied(tmp_path, study)
    monkeypatch.setitem(page.SITE, "heard", {})  # sounds for another page take seconds
    page.build(workspace, parameters_of(workspace))
    assert 200 < len(Page(workspace.report / "index.html").words) <= 600


def test_the_front_page_opens_with_the_answer(site):
    text = (site.report / "index.html").read_text("utf-8").partition('<h2 id="found">')[0]
    scores = report.read_table(site, "09_all_scores").set_index(["system", "protocol"])
    for protocol in ("segment_random", "track_random", "artist_grouped"):
        row = scores.loc[("mel_svm", protocol)]
        assert f"{100 * row['accuracy']:.1f}\u00a0%" in text
        assert f"[{100 * row['low']:.1f}, {100 * row['high']:.1f}]" in text
    hardest = report.read_table(site, "09_hardest")["title"].head(6)
    assert all(
        html.escape(title, quote=False)
        in html.unescape((site.report / "index.html").read_text("utf-8"))
        for title in hardest
    )


def test_every_interval_of_every_page_is_in_the_tables(site):
    tables = read(site.report)
    verdicts = tables["09_claims"]["verdict"]  # they measure the gap to the claim, each once
    for path in pages(site):
        text = html.unescape(path.read_text("utf-8"))
        for verdict in verdicts:
            text = text.replace(verdict, "")
        assert strange_intervals(text, tables) == set(), path


def test_votes_agree_with_the_scores(site):
    votes = report.read_table(site, "votes").set_index("track_id")
    labels = report.read_table(site, "01_tracks").set_index("track_id")["genre"]
    scores = report.read_table(site, "09_scores").query("protocol == 'artist_grouped'")
    for row in scores.itertuples():
        right = (votes[row.system] == labels[votes.index]).mean()
        assert right == pytest.approx(row.accuracy, abs=0.005), row.system


def test_the_same_tables_give_the_same_bytes(site):
    before = {path: path.read_bytes() for path in site.report.parent.rglob("*") if path.is_file()}
    parameters = parameters_of(site)
    page.build(site, parameters)
    page.build_overview(site, {STUDY: parameters})
    assert {path: path.read_bytes() for path in before} == before


def test_a_report_is_made_again_from_what_is_committed_alone(tmp_path, monkeypatch):
    workspace = copied(tmp_path, "demo")
    for path in workspace.figures.glob("*.svg"):
        if path.stem not in ("09_scores", "01_counts"):
            path.unlink()  # each is drawn in the same way; two take seconds
    before = {path.name: path.read_bytes() for path in workspace.figures.glob("*.svg")}
    monkeypatch.chdir(tmp_path)
    assert runner.publish("demo") == workspace.report / "index.html"
    assert {path.name: path.read_bytes() for path in workspace.figures.glob("*.svg")} == before
    text = (workspace.report / "index.html").read_text("utf-8")
    assert re.search("A planted fault: |This label is wrong: it was planted", text)
    assert text.count("<audio") == 6


def test_committed_pages_have_the_style_and_script_of_the_code():
    source, committed = Path(page.__file__).parent / "assets", ROOT / "reports" / "assets"
    assert (committed / "site.js").read_bytes() == (source / "site.js").read_bytes()
    style = (source / "style.css").read_text("utf-8") + page.code_colours()
    assert (committed / "style.css").read_text("utf-8") == style


def test_a_report_without_tables_is_refused(tmp_path, monkeypatch):
    for name in ("notebooks", "studies"):
        shutil.copytree(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GenrelibError, match="python -m genrelib run smoke"):
        runner.publish("smoke")


def test_text_of_a_drawn_figure_is_text_and_follows_the_theme(site):
    text = (site.figures / "09_scores.svg").read_text("utf-8")
    assert "support vector machine on mel statistics" in text
    assert "prefers-color-scheme: dark" in text
    assert "<dc:date>" not in text
    assert figures.shown(site.figures / "09_scores.svg")["caption"].startswith("Accuracy of every")


def test_private_studies_are_not_listed(site):
    (site.root / ".gitignore").write_text(f"/reports/{STUDY}/\n")
    page.build_overview(site, {STUDY: parameters_of(site)})
    assert f"{STUDY}/index.html" not in (site.report.parent / "index.html").read_text()
    (site.root / ".gitignore").unlink()
    page.build_overview(site, {STUDY: parameters_of(site)})
    assert f"{STUDY}/index.html" in (site.report.parent / "index.html").read_text()


@pytest.mark.parametrize(
    ("p_holm", "said"),
    [
        (0.3, "A control: on the 89 tracks whose artist has no other track, no system loses"),
        (0.01, "Not only the artist: on the 89 tracks whose artist has no other track, vision "),
    ],
)
def test_losses_that_no_artist_explains_are_corrected_like_all_others(workspace, p_holm, said):
    row = {"tracks": "alone in their group", "n_tracks": 89, "low": 0.01, "high": 0.3}
    control = [
        row | {"system": "vit", "difference": 0.15, "p_holm": p_holm},
        row | {"system": "knn", "difference": -0.15, "p_holm": 0.01},
    ]
    report.save_table(workspace, "09_controls", pd.DataFrame(control))
    report.save_table(
        workspace, "09_leakage", pd.DataFrame([row | {"system": "vit", "p_holm": 0.01}])
    )
    _, found = Facts(workspace, {"protocols": ["artist_grouped"]}).highlights()
    assert found.startswith(said)


EVIL = '<img src=x onerror=alert(1)>"&'


def test_hostile_names_stay_text_on_every_page(workspace):
    tracks = pd.DataFrame({"track_id": [EVIL, "b"], "genre": [EVIL, "jazz"], "artist": EVIL})
    tracks = tracks.assign(title=EVIL, duration_s=1.0, group="g", exclude="")
    report.save_table(workspace, "01_tracks", tracks)
    hardest = tracks.assign(predicted=EVIL, probability=0.5, own=0.1, fault=EVIL)
    report.save_table(workspace, "09_hardest", hardest)
    for name in ("02_findings", "08_findings", "09_findings"):
        report.save_table(workspace, name, pd.DataFrame({"finding": [EVIL]}))
    report.save_table(workspace, "09_odd", pd.DataFrame({EVIL: [EVIL]}))
    score = {"system": "svm", "protocol": "artist_grouped", "n_tracks": 2, "macro_f1": 0.5}
    score |= {"accuracy": 0.5, "low": 0.4, "high": 0.6}
    report.save_table(workspace, "09_scores", pd.DataFrame([score]))
    votes = pd.DataFrame({"track_id": [EVIL, "b"], "svm": [EVIL, EVIL]})
    report.save_table(workspace, "votes", votes)
    parameters = {"title": EVIL, "about": EVIL, "corpus": "folder", "systems": ["svm"]}
    page.build(workspace, parameters | {"protocols": ["artist_grouped"], "seed": 0})
    for path in pages(workspace):
        text = path.read_text("utf-8")
        assert "<img src=x" not in text, path
        assert not [name for _, given in Page(path).tags for name in given if name == "onerror"]
    assert "&lt;img src=x" in (workspace.report / "systems" / "svm.html").read_text("utf-8")


def _luminance(colour: str) -> float:
    colour = colour.lstrip("#")
    colour = "".join(2 * c for c in colour) if len(colour) == 3 else colour
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_text_can_be_read_in_both_themes():
    style = (Path(page.__file__).parent / "assets" / "style.css").read_text("utf-8")
    colours = dict(
        (name, (light, dark))
        for name, light, dark in re.findall(r"--(\w+): light-dark\((#\w+), (#\w+)\)", style)
    )
    code = re.findall(
        r"(\.highlight \.\w+) \{ color: light-dark\((#\w+), (#\w+)\)", page.code_colours()
    )
    assert len(code) > 30
    inks = {name: colours[name] for name in ("ink", "faint", "accent", "up", "ok", "down", "other")}
    for theme in (0, 1):
        for ground in ("paper", "shade"):
            for name, pair in inks.items():
                assert contrast(pair[theme], colours[ground][theme]) >= 4.5, (name, ground, theme)
        for name, *pair in code:
            assert contrast(pair[theme], colours["shade"][theme]) >= 4.5, (name, theme)


def test_the_look_of_figures_changes_no_table():
    facts = Facts(Workspace("demo", ROOT), {"protocols": ["artist_grouped"]})
    plain = page._html(facts, "counts")
    with pd.option_context("display.html.use_mathjax", False):
        assert page._html(facts, "counts") == plain
    assert '<table class="dataframe">' in plain


def test_real_music_is_listed_before_rendered_music():
    listed = (ROOT / "reports" / "index.html").read_text("utf-8")
    order = sorted(COMMITTED, key=lambda study: listed.index(f"{study}/index.html"))
    assert order == ["gtzan_mel_dev", "gtzan_mel_best", "gtzan_mini", "demo"]


def test_figures_take_the_order_of_scores_only_where_these_are_of_the_same_run(tmp_path):
    workspace = copied(tmp_path, STUDY)
    kept = {"03_scores", "04_learning_curves", "08_robustness", "09_confusions", "09_costs"}
    for path in workspace.figures.glob("*.svg"):
        if path.stem not in kept:
            path.unlink()
    report.redraw(workspace)
    before = {path.name: path.read_bytes() for path in workspace.figures.glob("*.svg")}
    scores = report.read_table(workspace, "09_all_scores")
    report.save_table(workspace, "09_all_scores", scores.assign(accuracy=1 - scores["accuracy"]))
    report.redraw(workspace)
    changed = {n for n, old in before.items() if (workspace.figures / n).read_bytes() != old}
    assert changed
    assert all(name.startswith("09_") for name in changed)
