"""The studies of FMA on the tiny copy, fetched over the network."""

import re
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml
from helpers import fma_copy, local_server
from helpers.builders import copied_project
from helpers.notebooks import run_here

from genrelib.corpora.fetching import MIRROR
from genrelib.protocols import PROTOCOLS
from genrelib.systems import SYSTEMS

SMALLER = {"n_folds": 2, "epoch_share": 0.02}
CHANGES = {
    "fma_features": SMALLER,
    "fma_small": SMALLER | {"clip_s": 1.0, "systems": ["mel_svm", "ann"], "probed": []},
}
"""What is taken of each study, so that it takes seconds: less, but nothing else."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    return fma_copy.make(tmp_path_factory.mktemp("fma"), seconds=1.2)


@pytest.fixture(scope="module")
def run(copy, tmp_path_factory):
    """Return a function that runs a study once and returns its report and what was fetched."""
    known = {}

    def run(name):
        if name not in known:
            known[name] = _run(name, copy, tmp_path_factory.mktemp(name))
        return known[name]

    return run


def _run(name, copy, folder):
    root = copied_project(folder / "project")
    path = root / "studies" / f"{name}.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | CHANGES[name]))
    files = {f"/{p.relative_to(copy.mirror)}": p.read_bytes() for p in copy.mirror.rglob("*.zip")}
    with local_server.serving(files) as server, pytest.MonkeyPatch.context() as monkeypatch:
        copy.install(monkeypatch)
        monkeypatch.setenv(MIRROR, server.url)
        run_here(root, name)
        asked = [place.rpartition("/")[2] for place, _ in server.asked]
    report = root / "reports" / name
    return SimpleNamespace(
        report=report, asked=asked, parameters=yaml.safe_load(path.read_text()), root=root
    )


def table(done, name) -> pd.DataFrame:
    text = {"track_id": str, "exclude": str, "official_split": str}
    return pd.read_csv(done.report / "tables" / f"{name}.csv", dtype=text, keep_default_na=False)


@pytest.mark.parametrize("name", CHANGES)
def test_the_page_is_whole(run, name):
    done = run(name)
    page = (done.report / "index.html").read_text()
    for link in re.findall(r'(?:href|src)="([^"#:]+)[^":]*"', page):
        assert (done.report / link).exists(), link
    assert str(done.root) not in page
    assert "Not up to date" not in page
    assert PROTOCOLS["official"].description in (done.report / "methods.html").read_text()
    for reason in table(done, "01_exclusions")["exclude"]:
        assert reason.split("'")[0] in page


@pytest.mark.parametrize("name", CHANGES)
def test_every_system_is_tested_on_the_published_test_part(run, name):
    done = run(name)
    systems, scores = done.parameters["systems"], table(done, "09_scores")
    assert len(scores) == len(systems) * 3
    assert set(scores["system"]) == set(systems)
    tracks = table(done, "01_tracks").query("exclude == ''").set_index("track_id")
    published = tracks["official_split"]
    for system in systems:
        folder = done.report / "predictions" / system / "official"
        for part, file in (
            ("test", "repeat0_fold0.csv.gz"),
            ("valid", "repeat0_fold0.valid.csv.gz"),
        ):
            rows = pd.read_csv(folder / file, dtype={"track_id": str})
            assert sorted(rows["track_id"]) == sorted(published.index[published == part])
        assert len(list(folder.glob("*.json"))) == 1
    official = scores[scores["protocol"] == "official"]
    assert (official["n_tests"] == (published == "test").sum()).all()
    assert official["accuracy"].between(official["low"], official["high"]).all()


@pytest.mark.parametrize("name", CHANGES)
def test_what_crosses_the_published_split_is_measured(run, name):
    overlap = table(run(name), "09_overlap").set_index("protocol")
    assert overlap.loc["official", "known_artist"] == 0
    assert overlap.loc["official", "known_group"] > 0  # the copy has namesakes on both sides
    assert overlap.loc["artist_grouped", "known_group"] == 0


def test_clips_that_are_left_out_have_their_reasons(run, copy):
    done = run("fma_small")
    assert done.asked == ["fma_metadata.zip", "fma_small.zip"]
    for name in ("01_exclusions", "02_exclusions"):
        excluded = table(done, name).set_index("track_id")["exclude"]
        assert set(excluded.index) == set(copy.faults)
        for track, words in copy.faults.items():
            assert words in excluded[track]


def test_the_baselines_need_no_audio_and_make_a_table(run):
    done = run("fma_features")
    assert done.asked == ["fma_metadata.zip"]
    claims = table(done, "09_claims")
    assert list(claims["system"]) == done.parameters["systems"]
    assert set(done.parameters["systems"]) == {
        name for name, row in SYSTEMS.items() if row.feature == "fma_features"
    }
    assert (claims["split"] == "official").all()
    assert (
        claims["n_split"]
        == table(done, "09_scores").query("protocol == 'official'")["n_tests"].iloc[0]
    ).all()
    assert claims["accuracy_split"].between(claims["low_split"], claims["high_split"]).all()
    assert claims["accuracy_split"].max() > 0.5  # three genres, which the copy's values tell
    assert claims["verdict"].str.startswith("no figure is claimed; the source's own").all()
    page = (done.report / "claims.html").read_text()
    line = re.search(r"Logistic regression on FMA.{1,6}s features<.*?</tr>", page, re.DOTALL)
    assert f"{100 * claims['accuracy_split'][0]:.1f}\u00a0%" in line[0]


def test_statistics_of_whole_tracks_are_summed_up_but_not_drawn(run):
    done = run("fma_features")
    asked = table(done, "02_features").set_index("feature")["here"]
    assert list(asked.index[asked == "yes"]) == ["fma_features"]
    means = table(done, "02_genre_means")
    assert set(means["statistic"]) == {"value"}
    assert len(means) == 518
    assert set(table(done, "02_families")["family"]) == set(fma_copy.ROWS_OF)
    drawn = {path.stem for path in (done.report / "figures").glob("02_*.*")}
    assert {"02_probes", "02_families"} <= drawn
    assert not drawn & {"02_means", "02_gallery"}
