"""What features tell about genres: planted rows are found, noise and artists are not."""

import numpy as np
import pandas as pd
import pytest
from helpers.builders import make_tracks
from sklearn.metrics import roc_auc_score

from genrelib import inspection as separability
from genrelib.base.seeds import rng
from genrelib.features import FEATURES
from genrelib.features.segments import averaged
from genrelib.features.stack import STACK_ROWS
from genrelib.inspection.separability import LEVELS, row_labels


def make_summaries(tracks, *, told=4, artist_rows=0, noise=12, effect=2.0, artist=1.0, seed=0):
    """Draw summaries: rows that follow the genre, rows that name the artist, rows of noise.

    Every row has a part that an artist's tracks share, as all music has.
    """
    generator = rng(seed, "summaries")
    n_rows = told + artist_rows + noise
    genres, groups = pd.factorize(tracks["genre"])[0], pd.factorize(tracks["group"])[0]
    X = generator.normal(size=(len(tracks), 2 * n_rows))
    X += artist * generator.normal(size=(groups.max() + 1, 2 * n_rows))[groups]
    if told:
        X[:, : 2 * told] += effect * generator.normal(size=(genres.max() + 1, 2 * told))[genres]
    if artist_rows:
        part = np.s_[:, 2 * told : 2 * (told + artist_rows)]
        X[part] += 8 * generator.normal(size=(groups.max() + 1, 2 * artist_rows))[groups]
    rows = [("told", f"told {i}") for i in range(told)]
    rows += [("artist", f"artist {i}") for i in range(artist_rows)]
    rows += [("noise", f"noise {i}") for i in range(noise)]
    labels = [(*row, statistic) for row in rows for statistic in separability.STATISTICS]
    columns = pd.MultiIndex.from_tuples(labels, names=LEVELS)
    return pd.DataFrame(X.astype(np.float32), index=tracks.index, columns=columns)


@pytest.fixture(scope="module")
def many():
    return make_tracks(n_artists=10, n_songs=4)


@pytest.fixture(scope="module")
def folds(many):
    return separability.fitted_folds(many, n_folds=5, seed=0)


# summaries


class SmallStore:
    """A store of one feature that remembers how much of it was read at a time."""

    frame_s = 512 / 22050

    def __init__(self, n_tracks, n_bands):
        matrices = rng(0, "store").normal(-40, 20, size=(n_tracks, n_bands, 30))
        self.ids = [f"t{number:02d}" for number in range(n_tracks)]
        self.matrices, self.asked = matrices.astype(np.float32), []

    def read(self, feature, track_ids, *, size):
        self.asked.append(len(track_ids))
        return averaged(self.matrices[[self.ids.index(i) for i in track_ids]], *size)


@pytest.mark.parametrize(("feature", "n_bands"), [("log_mel", 128), ("stack", 87), ("mfcc", 20)])
def test_summaries_are_mean_and_deviation_over_time(feature, n_bands):
    small = SmallStore(21, n_bands)
    ids = small.ids[::-2]
    X = separability.summaries(small, feature, ids)
    assert list(X.index) == ids
    assert (X.dtypes == np.float32).all()
    matrices = small.matrices[::-2].astype(np.float64)
    for statistic, expected in (("mean", matrices.mean(2)), ("deviation", matrices.std(2))):
        found = X.xs(statistic, axis="columns", level="statistic")
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_of_a_single_frame_the_values_are_kept_by_their_published_names():
    small = SmallStore(9, 518)
    small.matrices = small.matrices[:, :, :1]
    X = separability.summaries(small, "fma_features", small.ids)
    np.testing.assert_array_equal(X, small.matrices[:, :, 0])
    assert set(X.columns.get_level_values("statistic")) == {"value"}
    assert X.columns[0] == ("chroma_cens", "chroma_cens kurtosis 01", "value")
    assert X.columns.unique("row").size == 518
    assert X.columns.unique("family").size == 11


@pytest.mark.parametrize(("feature", "n_bands"), [("spectrogram", 1025), ("tempogram", 384)])
def test_few_tracks_are_in_memory_at_a_time_and_wide_features_are_reduced(feature, n_bands):
    wide = SmallStore(20, n_bands)
    X = separability.summaries(wide, feature, wide.ids)
    assert X.shape == (20, 2 * 128)
    assert max(wide.asked) <= 8
    assert sum(wide.asked) == 20
    means = X.xs("mean", axis="columns", level="statistic")
    np.testing.assert_allclose(means.mean(axis=1), wide.matrices.mean((1, 2)), rtol=0.05)


@pytest.mark.parametrize("feature", FEATURES)
def test_every_row_of_every_feature_has_a_name_of_its_own(feature):
    n_rows = min(FEATURES[feature].n_bands, 128)
    labels = row_labels(feature, n_rows, frame_s=512 / 22050)
    assert len(set(labels)) == len(labels) == n_rows
    families = list(dict.fromkeys(family for family, _ in labels))
    assert len(families) == (10 if feature == "stack" else 8)


def test_row_names_are_where_the_rows_are():
    assert row_labels("stack", 87, frame_s=0.02) == list(STACK_ROWS)
    mel = [float(row.removesuffix(" Hz")) for _, row in row_labels("log_mel", 128, frame_s=0.02)]
    assert np.all(np.diff(mel) > 0)
    assert 0 < mel[0] < 60
    assert 10000 < mel[-1] < 11025
    assert row_labels("tempogram", 128, frame_s=0.02)[50][1] == f"{151 * 0.02:.2f} s"
    linear = row_labels("spectrogram", 128, frame_s=0.02)
    assert linear[-1][1] == f"{np.mean(np.arange(1016, 1025)) * 22050 / 2048:.0f} Hz"
    assert linear[0][0].endswith(" Hz")
    assert linear[0][0].count("Hz") == 1


def test_contrasting_genres_are_those_apart_each_by_its_typical_track(many):
    X = make_summaries(many, told=0, artist=0.1, noise=3)
    place = many["genre"].map({"blues": 0.0, "jazz": 1.0, "metal": 30.0, "rock": 12.0})
    X.iloc[:, ::2] = X.iloc[:, ::2].add(place, axis="index")
    X.loc["metal.00007"] = X[many["genre"] == "metal"].mean()
    chosen = separability.contrasting(X, many)
    assert list(chosen) == ["blues", "metal", "rock"]
    assert chosen["metal"] == "metal.00007"
    few = many[many["genre"].isin(["blues", "jazz"])]
    assert set(separability.contrasting(X.loc[few.index], few)) == {"blues", "jazz"}


def test_genre_means_count_artists_not_tracks():
    tracks = make_tracks(n_artists=2, n_songs=2, genres=("blues", "rock"))
    X = make_summaries(tracks, told=1, noise=0).iloc[:, :1]
    X.loc[tracks["genre"] == "blues"] = [[0.0], [0.0], [6.0], [6.0]]
    uneven = separability.genre_means(X.drop(index="blues.00001"), tracks)
    assert uneven.loc[X.columns[0], "blues"] == 3.0


# probes


def test_the_leak_is_seen_where_rows_name_the_artist(many, folds):
    """Rows that name the artist look good at random and are worth nothing with artists apart."""
    X = make_summaries(many, told=0, artist_rows=24, noise=0)
    scores = separability.probe_scores({"x": separability.probe(X, many, folds)}, many, seed=0)
    accuracy = scores.set_index("protocol")["accuracy"]
    assert accuracy["track_random"] > 0.9
    assert accuracy["artist_grouped"] < 0.45
    assert scores.set_index("protocol").loc["artist_grouped", "low"] < 0.25
    lost = separability.leak({"x": separability.probe(X, many, folds)}, many, seed=0)
    assert lost.loc[0, "low"] > 0.3


def test_rows_of_genre_are_good_under_both(many, folds):
    X = make_summaries(many, told=8, noise=0, artist=0.3)
    probed = separability.probe(X, many, folds)
    scores = separability.probe_scores({"x": probed}, many, seed=0)
    assert (scores["accuracy"] > 0.95).all()
    assert (scores["n_tracks"] == len(many)).all()
    assert (scores["low"] <= scores["accuracy"]).all()
    assert (scores["high"] >= scores["accuracy"]).all()
    lost = separability.leak({"x": probed}, many, seed=0)
    assert lost.loc[0, "low"] <= 0.05
    assert probed.groupby("protocol")["track_id"].nunique().eq(len(many)).all()
    assert np.allclose(np.exp(probed.filter(like="log_p_")).sum(axis=1), 1)


def test_pairs_are_areas_under_the_curve_of_held_out_tracks(many, folds):
    X = make_summaries(many, told=3, noise=3, effect=1.0)
    probed = separability.probe(X, many, folds)
    table = separability.genre_pairs({"x": probed}, "artist_grouped")
    assert len(table) == 6
    assert (table["n_tests"] == 80).all()
    own = probed[probed["protocol"] == "artist_grouped"]
    own = own[own["genre"].isin(["blues", "rock"])]
    areas = own.groupby("fold")[["genre", "log_p_rock", "log_p_blues"]].apply(
        lambda f: roc_auc_score(f["genre"] == "rock", f["log_p_rock"] - f["log_p_blues"])
    )
    n_pairs = own.groupby("fold")["genre"].apply(
        lambda g: (g == "rock").sum() * (g == "blues").sum()
    )
    expected = np.average(areas, weights=n_pairs)
    found = table[(table["first"] == "blues") & (table["second"] == "rock")]["auc"]
    assert found.item() == pytest.approx(expected)


def test_two_genres_have_one_pair():
    tracks = make_tracks(n_artists=4, n_songs=3, genres=("blues", "rock"))
    X = make_summaries(tracks, told=6, noise=2, effect=4.0, artist=0.2)
    folds = separability.fitted_folds(tracks, n_folds=3, seed=0)
    table = separability.genre_pairs({"x": separability.probe(X, tracks, folds)}, folds.strictest)
    assert table["auc"].tolist() == [1.0]


def test_folds_shrink_to_what_the_corpus_fills_and_say_so():
    tracks = make_tracks(n_artists=3, n_songs=1)
    folds = separability.fitted_folds(tracks, n_folds=5, seed=0)
    assert {name: len(parts) for name, parts in folds.by_protocol.items()} == {
        "track_random": 3,
        "artist_grouped": 3,
    }
    assert "3 folds, not 5" in folds.notes[0]
    assert not separability.fitted_folds(make_tracks(), n_folds=4, seed=0).notes


def test_artists_that_cannot_be_kept_apart_are_said_and_the_rest_goes_on():
    tracks = make_tracks(n_artists=1, n_songs=6, genres=("blues", "rock"))
    X = make_summaries(tracks, artist=0)
    folds = separability.fitted_folds(tracks, n_folds=3, seed=0)
    assert list(folds.by_protocol) == ["track_random"]
    assert "No artist-disjoint split" in folds.notes[-1]
    assert_all_goes_on(X, tracks, folds)


@pytest.mark.parametrize("n_artists", [1, 2, 3])
def test_small_corpora_go_through_everything(n_artists):
    tracks = make_tracks(n_artists=n_artists, n_songs=4)
    folds = separability.fitted_folds(tracks, n_folds=5, seed=0)
    assert_all_goes_on(make_summaries(tracks), tracks, folds)


def test_a_genre_of_a_single_artist_counts_for_neither_side():
    tracks = make_tracks(n_artists=5, n_songs=4)
    tracks.loc[tracks["genre"] == "jazz", ["artist", "group"]] = "jazz artist 0"
    X = make_summaries(tracks, told=8, artist=0.2)
    folds = separability.fitted_folds(tracks, n_folds=5, seed=0)
    probes = {"x": separability.probe(X, tracks, folds)}
    scores = separability.probe_scores(probes, tracks, seed=0)
    assert (scores["n_tracks"] == 60).all()
    assert (scores["accuracy"] > 0.9).all()
    table = separability.genre_pairs(probes, "artist_grouped").set_index(["first", "second"])
    assert np.isnan(table.loc[("blues", "jazz"), "auc"])
    assert table.loc[("blues", "rock"), "auc"] > 0.9
    assert_all_goes_on(X, tracks, folds)


def assert_all_goes_on(X, tracks, folds):
    """Take a corpus through all steps to the sentences."""
    probes = {"x": separability.probe(X, tracks, folds)}
    found = separability.findings(
        separability.probe_scores(probes, tracks, seed=0),
        separability.leak(probes, tracks, seed=0),
        separability.genre_pairs(probes, folds.strictest),
        separability.alone_and_without(X, tracks, folds, seed=0),
    )
    assert found
    assert not any("nan" in sentence for sentence in found), found


def test_one_track_of_each_genre_is_enough_for_a_probe():
    """The nearest mean of a genre: no deviation within one can be measured."""
    tracks = make_tracks(n_artists=2, n_songs=1)
    folds = separability.fitted_folds(tracks, n_folds=2, seed=0)
    X = make_summaries(tracks, told=8, noise=0, artist=0, effect=8)
    found = separability.probe(X, tracks, folds)
    assert (found["predicted"] == found["genre"]).all()
    assert np.isfinite(found.filter(like="log_p_")).all(axis=None)


# families and rows of a feature


def test_families_that_tell_are_good_alone_and_missed_when_left_out(many, folds):
    X = make_summaries(many, told=4, noise=4)
    table = separability.alone_and_without(X, many, folds, seed=0)
    assert table["protocol"].tolist() == ["track_random"] * 2 + ["artist_grouped"] * 2
    strict = table[table["protocol"] == "artist_grouped"].set_index("family")
    assert strict.loc["told", "alone_low"] > 0.5
    assert strict.loc["told", "lost_low"] > 0.3
    assert strict.loc["noise", "alone_low"] < 0.3
    assert strict.loc["noise", "lost_high"] < 0.1
    assert (strict["n_rows"] == 4).all()


def test_the_same_family_twice_is_not_missed(many, folds):
    X = make_summaries(many, told=4, noise=0)
    copy = X.rename(columns={"told": "again"}, level="family")
    both = pd.concat([X, copy + 1], axis="columns")
    table = separability.alone_and_without(both, many, folds, seed=0)
    assert (table["lost_low"] <= 0).all()
    assert (table["alone_low"] > 0.5).all()


# the whole


def test_the_same_seed_gives_the_same_tables(many):
    X = make_summaries(many, told=1, noise=1)

    def tables(seed):
        folds = separability.fitted_folds(many, n_folds=5, seed=seed)
        probes = {"x": separability.probe(X, many, folds)}
        return (
            separability.probe_scores(probes, many, seed=seed),
            separability.alone_and_without(X, many, folds, seed=seed),
        )

    for one, other in zip(tables(0), tables(0), strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    assert not tables(0)[0].equals(tables(1)[0])


class Lacking:
    """A corpus that lacks all features but some."""

    def __init__(self, *held):
        self.held = held

    def lacks(self, feature):
        return "" if feature in self.held else f"{feature} needs audio"


def test_features_that_are_not_looked_at_have_a_reason():
    table = separability.feature_table(Lacking("log_mel", "mfcc"), ["log_mel", "stack"])
    assert list(table.index) == list(FEATURES)
    assert table.loc["log_mel", "here"] == "yes"
    assert table.loc["mfcc", "here"] == "no system of this study asks for it"
    for name in ("stack", "chroma"):
        assert table.loc[name, "here"] == f"not available here: {name} needs audio"


def test_sentences_take_their_numbers_from_the_tables(many, folds):
    X = make_summaries(many, told=4, artist_rows=4)
    probes = {"x": separability.probe(X, many, folds)}
    scores = separability.probe_scores(probes, many, seed=0)
    lost = separability.leak(probes, many, seed=0)
    rest = (
        separability.genre_pairs(probes, folds.strictest),
        separability.alone_and_without(X, many, folds, seed=0),
    )
    before = separability.findings(scores, lost, *rest)
    after = separability.findings(
        scores.assign(accuracy=0.123),
        lost.assign(difference=-0.04, low=-0.09, high=0.01),
        *rest,
    )
    assert "12.3%" in after[0]
    assert "-4.0 points [-9.0, +1.0]" in after[1]
    assert "0 of 1 features" in after[1]
    assert before[2:] == after[2:]
