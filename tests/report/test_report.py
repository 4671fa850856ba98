"""Figures, tables and the page."""

import json
import re
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from helpers.builders import GENRES, make_features, make_tracks
from PIL import Image

from genrelib import plots, report
from genrelib.base.errors import GenrelibError
from genrelib.corpora import Corpus, summary
from genrelib.features import FEATURES
from genrelib.inference.claims import CLAIM
from genrelib.protocols import PROTOCOLS
from genrelib.report import figures, page
from genrelib.systems import SYSTEMS

PARAMETERS = {
    "title": "Trial",
    "about": "About <this> trial.",
    "corpus": "synthetic",
    "systems": ["svm", "cnn_2d"],
    "protocols": list(PROTOCOLS),
}


def scores() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "system": system,
                "protocol": protocol,
                "n_tracks": 48,
                "n_tests": 48,
                "accuracy": 0.6,
                "low": 0.5,
                "high": 0.75,
                "macro_f1": 0.6,
                "log_loss": 1.5,
                "n_answerable": 40 if protocol == "artist_grouped" else 48,
                "accuracy_answerable": 0.7,
            }
            for system in ("svm", "cnn_2d")
            for protocol in PROTOCOLS
        ]
    )


def curves() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "system": "cnn_2d",
            "protocol": "track_random",
            "epoch": [1, 2],
            "train_loss": [2.0, 1.0],
            "valid_loss": [2.0, 1.5],
            "valid_acc": [0.1, 0.4],
        }
    )


def matrices() -> dict:
    return {
        name: np.abs(make_features([0], n_bands=feature.n_bands, n_frames=60)[0])
        for name, feature in FEATURES.items()
    }


TRACKS = make_tracks()
FIGURES = {
    "counts": lambda: plots.corpus_counts(
        summary(Corpus("folder", TRACKS, GENRES, ())).drop(index="(all)"), GENRES
    ),
    "gallery": lambda: plots.gallery({"one": matrices(), "two": matrices()}),
    "band_means": lambda: plots.band_means(pd.DataFrame(np.eye(4), columns=GENRES), "log_mel"),
    "accuracies": lambda: plots.accuracies(scores(), 4),
    "confusions": lambda: plots.confusions(
        {"SVM": pd.DataFrame(np.eye(4), index=GENRES, columns=GENRES)}
    ),
    "learning_curves": lambda: plots.learning_curves(curves()),
}


@pytest.mark.parametrize("name", FIGURES)
def test_equal_figures_are_equal_bytes(name, workspace):
    plots.style()
    for copy in ("01_a", "01_b"):
        fig = FIGURES[name]()
        report.save_figure(workspace, copy, fig, scores(), caption=f"The {name}.")
        plt.close(fig)
    one, other = (workspace.figures / f"01_{c}.png" for c in "ab")
    assert one.read_bytes() == other.read_bytes()
    with Image.open(one) as image:
        assert image.info["Description"] == f"The {name}."
        assert "Software" not in image.info
        pixels = np.asarray(image.convert("L"))
    assert pixels.std() > 5  # something is drawn
    assert (workspace.tables / "01_a.csv").exists()


def test_each_mark_says_what_it_shows(workspace):
    table = pd.DataFrame(np.eye(2), columns=["<rock>", "jazz"]).assign(system=["svm", "knn"])
    table.loc[0, "jazz"] = 0.25
    for name, data in {"09_scores": scores(), "09_recalls": table}.items():
        draw = figures.DRAWN[name.partition("_")[2]]
        report.save_table(workspace, "01_counts", summary(Corpus("list", TRACKS, GENRES, ())))
        report.save_figure(workspace, name, draw(data, workspace), data, caption="Some.")
    root = ElementTree.parse(workspace.figures / "09_recalls.svg")
    titles = [mark.text for mark in root.iter("{http://www.w3.org/2000/svg}title")]
    assert sorted(titles) == [
        f"{title}, {genre}: {value}"
        for title, genre, value in (
            ("k nearest neighbours", "<rock>", 0),
            ("k nearest neighbours", "jazz", 100),
            ("linear support vector machine", "<rock>", 100),
            ("linear support vector machine", "jazz", 25),
        )
    ]
    text = (workspace.figures / "09_scores.svg").read_text("utf-8")
    assert text.count("<title>") == 2 * len(PROTOCOLS) + 2
    assert "<title>2D CNN on mel spectrograms, tracks at random: 60 [50, 75]</title>" in text
    assert "<title>linear support vector machine, claimed: 74</title>" in text


def test_genres_keep_their_colour():
    colours = plots.genre_colours(GENRES)
    assert list(colours) == list(GENRES)
    assert len(set(colours.values())) == len(GENRES)


def test_tables_come_back_as_they_were(workspace):
    table = pd.DataFrame({"name": ["a", ""], "score": [0.123456789, 2.0]})
    report.save_table(workspace, "09_some", table)
    found = report.read_table(workspace, "09_some")
    assert found["name"].tolist() == ["a", ""]
    np.testing.assert_allclose(found["score"], table["score"], rtol=1e-5)


def test_odd_names_stay_text_and_gaps_stay_gaps(workspace):
    table = pd.DataFrame(
        {"track_id": ["1960.01", "1960.10"], "genre": ["NA", "None"], "group": ["007", "8"]}
    ).assign(accuracy_answerable=[0.5, np.nan])
    report.save_table(workspace, "01_odd", table)
    found = report.read_table(workspace, "01_odd")
    pd.testing.assert_frame_equal(found, table, check_dtype=False)
    assert np.isnan(found["accuracy_answerable"][1])


def test_columns_come_back_with_the_types_they_were_saved_with(workspace):
    table = pd.DataFrame({"n": [1, 2], "whole": [1.0, 2.0], "is_best": [True, False]})
    table = table.assign(code=["007", "1e5"], gaps=[3, None], nothing=np.nan, mixed=[1, "a"])
    report.save_table(workspace, "09_types", table)
    found = report.read_table(workspace, "09_types")
    assert found["mixed"].tolist() == ["1", "a"]
    pd.testing.assert_frame_equal(found.drop(columns="mixed"), table.drop(columns="mixed"))
    one = (workspace.tables / "schema.json").read_bytes()
    report.save_table(workspace, "09_types", table)
    assert (workspace.tables / "schema.json").read_bytes() == one


def test_a_table_whose_types_are_unknown_is_not_guessed_at(workspace):
    report.save_table(workspace, "09_some", scores())
    (workspace.tables / "schema.json").unlink()
    with pytest.raises(GenrelibError, match=r"its types in schema.json, is missing; run notebook"):
        report.read_table(workspace, "09_some")


def test_without_anything_to_draw_there_is_a_table_and_no_figure(workspace):
    none = scores().iloc[:0]
    drawn = [
        plots.learning_curves(curves().iloc[:0]),
        plots.growth(none, {}),
        plots.ladder(none, none),
        plots.cross_collection(none, 4),
    ]
    assert drawn == [None] * 4
    report.save_figure(workspace, "09_none", None, none, caption="Nothing.")
    assert (workspace.tables / "09_none.csv").exists()
    assert not (workspace.figures / "09_none.png").exists()


def claim(**known) -> dict:
    return dict.fromkeys(CLAIM, np.nan) | {"outcome": "", "split": "official"} | known


def test_a_study_without_any_claim_has_a_page(workspace):
    row = claim(system="knn", title="nearest <neighbours>", verdict="no claim")
    report.save_table(workspace, "09_claims", pd.DataFrame([row]))
    page.build(workspace, PARAMETERS, [])
    text = (workspace.report / "claims.html").read_text()
    assert "Nearest &lt;neighbours&gt;" in text
    assert "no claim" in text


def test_what_is_outdated_is_said_on_the_page(workspace):
    text = page.build(workspace, PARAMETERS, [], outdated=["09_analysis"]).read_text()
    assert "Not up to date with the parameters below: 09_analysis" in text
    assert "Not up to date" not in page.build(workspace, PARAMETERS, []).read_text()


def test_a_missing_table_names_its_notebook(workspace):
    with pytest.raises(GenrelibError, match="run notebook 01 of study 'trial'"):
        report.read_table(workspace, "01_tracks")


def test_clear_removes_only_the_notebooks_own(workspace):
    for name in ("03_a", "04_a"):
        report.save_table(workspace, name, scores())
    report.clear(workspace, "03")
    assert sorted(p.name for p in workspace.tables.iterdir()) == ["04_a.csv", "schema.json"]
    assert list(json.loads((workspace.tables / "schema.json").read_text())) == ["04_a"]


def test_the_pages_hold_scores_findings_reasons_and_provenance(workspace):
    report.save_table(workspace, "09_scores", scores())
    report.save_table(workspace, "09_findings", pd.DataFrame({"finding": ["Found <that>."]}))
    lost = pd.DataFrame({"track_id": ["a"], "genre": ["jazz"], "exclude": ["cut short"]})
    report.save_table(workspace, "01_exclusions", lost)
    text = page.build(workspace, PARAMETERS, [{"name": "machine", "value": "Turing 1"}]).read_text()
    assert "[50.0, 75.0]" in text
    assert "cut short" in text
    assert "torch&nbsp;2.13.0" in text
    assert "Turing 1" not in text
    for name, holds in {
        "analysis.html": "Found &lt;that&gt;.",
        "systems/svm.html": SYSTEMS["svm"].chosen,
        "run.html": "Turing 1",
    }.items():
        assert holds in (workspace.report / name).read_text()


def test_claims_without_a_single_figure_are_shown_as_gaps(workspace):
    line = claim(system="svm", title="any system", verdict="no figure")
    report.save_table(workspace, "09_claims", pd.DataFrame([line]))
    page.build(workspace, PARAMETERS, [])
    text = (workspace.report / "claims.html").read_text()
    cells = re.search(r">Any system</th>.*?</tr>", text, re.DOTALL)[0]
    assert cells.count(">–</td>") == 3
    assert "No figure" in cells


def test_the_page_is_made_when_only_some_notebooks_ran(workspace):
    text = page.build(workspace, PARAMETERS, []).read_text()
    assert "Notebook 09 has not been run yet." in text


def test_a_notebook_is_rendered_again_only_when_it_changed(workspace):
    path = workspace.report / "notebooks" / "01_data.ipynb"
    path.parent.mkdir(parents=True)
    rendered = []
    for text in ("# First", "# First", "# Second"):
        nbformat.write(nbformat.v4.new_notebook(cells=[_markdown(text)]), path)
        page.build(workspace, PARAMETERS, [])
        assert text.lstrip("# ") in (workspace.report / "notebooks.html").read_text()
        made = path.with_suffix(".html")
        assert text.lstrip("# ") in made.read_text()
        rendered.append(made.stat().st_mtime_ns)
    assert rendered[0] == rendered[1] < rendered[2]


def _markdown(text):
    return nbformat.v4.new_markdown_cell(text, id="cell-0")


def test_audio_of_other_peoples_music_is_not_published(workspace, music):
    assert report.save_audio(workspace, music) == []
    assert not (workspace.report / "audio").exists()


def test_a_damaged_state_says_what_to_do(workspace):
    workspace.report.mkdir(parents=True)
    (workspace.report / "run.json").write_text("{")
    with pytest.raises(GenrelibError, match="delete it"):
        report.read_run(workspace)
