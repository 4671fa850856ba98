"""What a notebook sees: a study, its chapter, and what came of the fits."""

import pytest
from helpers.builders import GENRES, write_music

from genrelib.base.errors import GenrelibError
from genrelib.study import Study, code
from genrelib.systems.convolutional import Cnn2d

NAMES = {
    "clip_s": 1.0,
    "systems": ["mel_svm", "nn", "cnn_2d"],
    "protocols": ["track_random", "artist_grouped"],
    "n_folds": 2,
    "n_repeats": 1,
    "n_seeds": 1,
    "epoch_share": 0.02,
    "image_size": [16, 16],
    "decomposed": [],
    "seed": 0,
    "n_jobs": 1,
    "corpus": "folder",
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    for name in ("notebooks", "studies"):
        (root / name).mkdir()
    options = {"source": str(write_music(root / "music"))}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        yield Study.of({**NAMES, "corpus_options": options, "study": "trial", "other": None})


@pytest.fixture(scope="module")
def fits(study):
    return study.chapter("03").fit()


def test_a_study_takes_its_parameters_and_leaves_other_names(study):
    assert study.name == "trial"
    assert study.n_jobs == 1
    assert "other" not in study.parameters
    assert Study.of({"study": study}).name == "trial"  # its cell is run again


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_flods": 2}, "unknown parameter 'n_flods'"),
        ({"n_folds": 6}, "n_folds=6; allowed is a whole number from 2 to 5"),
        ({"systems": ["smv"]}, "unknown system 'smv'"),
    ],
)
def test_what_no_study_has_is_refused(study, given, message):
    with pytest.raises(GenrelibError, match=message):
        Study("trial", **given)


def test_a_chapter_holds_the_systems_of_its_notebook(study):
    chapter = study.chapter("03")
    assert chapter.names == ["mel_svm", "nn"]
    assert chapter.lacking.empty
    assert list(chapter.sources()["system"]) == ["mel_svm", "nn"]
    assert (study.workspace.tables / "03_systems.csv").exists()
    assert study.chapter("08", ["mel_svm"]).names == ["mel_svm"]


def test_fits_are_done_once_and_read(study, fits):
    assert len(fits.planned) == 10  # nn under its source's split too
    assert set(fits.rows["system"]) == {"mel_svm", "nn"}
    again = study.chapter("03").fit()
    assert again.records.equals(fits.records)


def test_scores_and_curves_are_saved_with_their_pictures(study, fits):
    assert len(fits.scores(caption="Scores.")) == 5
    fits.learning_curves(caption="Curves.")
    for name in ("03_scores", "03_learning_curves"):
        assert (study.workspace.figures / f"{name}.svg").exists()
        assert (study.workspace.tables / f"{name}.csv").exists()


def test_a_single_system_has_a_table_of_scores_and_no_figure(study, fits):
    alone = study.chapter("08", ["mel_svm"]).fit().scores(caption="Scores.")
    assert set(alone["system"]) == {"mel_svm"}
    assert (study.workspace.tables / "08_scores.csv").exists()
    assert not (study.workspace.figures / "08_scores.svg").exists()


def test_one_track_is_followed_from_the_store_to_its_probabilities(study, fits):
    statistics = fits.follow("mel_svm")["shape"]
    assert statistics.index[0].startswith("log_mel of ")
    assert statistics.iloc[-1] == str(len(GENRES))
    assert "x" not in statistics["scale (StandardScaler)"]
    network = fits.follow("nn")["shape"]
    assert network.iloc[-2] == str(len(GENRES))  # the last layer's logits
    assert fits.follow("vit").equals(fits.follow())  # not run here: the first system instead


def test_the_answer_names_the_best_system_under_each_protocol(fits):
    said = fits.answer().data.splitlines()
    assert [line.split()[2] for line in said[:2]] == ["track_random", "artist_grouped"]
    best = fits.scored.groupby("protocol")["accuracy"].max()
    assert f"{100 * best['artist_grouped']:.1f} %" in said[1]
    assert "25.0 %" in said[-1]


def test_facts_hold_on_every_machine(fits):
    lines = fits.facts().splitlines()
    assert lines[0] == "2 systems: mel_svm, nn"
    assert lines[2].endswith("one: True")
    assert lines[-1] == "artist_grouped trained on a tested group: False"


def test_without_an_artist_disjoint_split_there_is_still_a_network_to_show(study, monkeypatch):
    monkeypatch.setattr(study, "protocols", ["track_random"])
    fits = study.chapter("04").fit()
    assert fits.fit_of("cnn_2d").model is None
    assert fits.fitted("cnn_2d").net_.history
    assert fits.architectures()["parameters"].sum() == fits.records["n_parameters"].iloc[0]


def test_code_is_that_of_the_module():
    shown = code(Cnn2d)
    assert shown.data.startswith("class Cnn2d(nn.Module):")
    assert shown.language == "python"


def test_files_are_named_from_the_project_wherever_one_stands(study, monkeypatch):
    monkeypatch.chdir(study.workspace.root / "notebooks")
    options = {"corpus_options": {"source": "music"}, "study": "trial"}
    assert len(Study.of({**NAMES, **options}).corpus.usable) == len(study.corpus.usable)


def test_clips_that_silence_fills_up_are_noted(study):
    options = {"corpus_options": study.parameters["corpus_options"], "study": "trial"}
    long = Study.of({**NAMES, **options, "clip_s": 2.0}).corpus
    (note,) = [n for n in long.notes if "silence" in n]
    assert note.startswith("32 tracks are shorter than clips of 2 s and are filled up with silence")
    assert not any("silence" in note for note in study.corpus.notes)
