"""Explanations: planted truths, axioms, limits and refusals."""

import doctest
import sys
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import softmax
from sklearn.inspection import permutation_importance
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from torch import nn

from genrelib import explain, inference, plots
from genrelib.base.errors import GenrelibError
from genrelib.base.seeds import rng
from genrelib.explain import causes
from genrelib.explain import shuffling as families
from genrelib.explain.attributions import GRID, copy_last, layers_of
from genrelib.explain.causes import PARTS, neutral, produced_as, without
from genrelib.explain.faithfulness import CONTROL, RANDOM
from genrelib.features import SR, extract
from genrelib.synthesis import GENRES as CONTROLLED
from genrelib.synthesis.composition import arrange
from genrelib.synthesis.recordings import plan
from genrelib.systems.convolutional import Cnn2d, FeatureCnn, SegmentCnn, StackCnn, VolumeCnn
from genrelib.systems.estimators import (
    AvailableNeighbors,
    BandScaler,
    ClassifierOnNetwork,
    Flatten,
    MelStatistics,
    SegmentVoting,
)
from genrelib.systems.recurrent import CnnLstm
from genrelib.systems.residual import ResNet18
from genrelib.systems.training import GenreNet, NetworkPipeline
from genrelib.systems.transformer import VisionTransformer

BAND = 3
SHAPE = (16, 32)
OPTIONS = {"artists_per_genre": 2, "songs_per_artist": 2, "duration_s": 3.0, "seed": 0}


class OneBand(nn.Module):
    """Listens to one band only."""

    def __init__(self, input_shape, n_classes):
        super().__init__()
        self.dense = nn.Linear(input_shape[1], n_classes)

    def forward(self, x):
        return self.dense(x[:, BAND])


class Deaf(nn.Module):
    """Has weights that it does not use: its answer is the input."""

    def __init__(self, input_shape, n_classes):
        super().__init__()
        self.dense = nn.Linear(1, 1)
        self.n_classes = n_classes

    def forward(self, x):
        total = x.square().sum(dim=(1, 2)) + 0 * self.dense.weight.sum()
        return torch.stack([total * n for n in range(self.n_classes)], dim=1)


class OneNumber(nn.Module):
    """Sees a vector."""

    def __init__(self, input_shape, n_classes):
        super().__init__()
        self.dense = nn.Linear(*input_shape, n_classes)

    def forward(self, x):
        return self.dense(x)


def planted(n=48, shape=SHAPE, seed=0):
    """Draw noise in which the class is how loud one band is in one half of the time."""
    y = np.arange(n) % 2
    X = rng(seed, "planted").normal(size=(n, *shape)).astype(np.float32)
    X[y == 1, BAND, : shape[1] // 2] += 3
    X[y == 0, BAND, shape[1] // 2 :] += 3
    return X, y


def network(module, *, epochs=8, transformers=None, lr=3e-3, n=48, shape=SHAPE, **kwargs):
    """Fit a network to the planted data; return it with the data."""
    X, y = planted(n, shape)
    net = GenreNet(module, n_classes=2, seed=1, max_epochs=epochs, lr=lr, batch_size=16, **kwargs)
    pipeline = NetworkPipeline([("scale", transformers or BandScaler()), ("net", net)])
    return pipeline.fit(X, y, np.zeros(n, bool)), X, y


@pytest.fixture(scope="module")
def trained():
    return network(Cnn2d, epochs=25)


@pytest.fixture(scope="module")
def explainer(trained):
    estimator, X, _ = trained
    return explain.Explainer(estimator, X)


@pytest.fixture(scope="module")
def one_band():
    estimator, X, _ = network(OneBand, epochs=40, lr=0.02)
    return explain.Explainer(estimator, X), X


@pytest.fixture(scope="module")
def segments():
    X, y = planted(24)
    net = GenreNet(SegmentCnn, n_classes=2, seed=1, max_epochs=3, batch_size=16, lr=1e-3)
    voting = SegmentVoting(NetworkPipeline([("scale", BandScaler()), ("net", net)]), n_segments=3)
    return voting.fit(X, y, np.zeros(24, bool)), X


def ids(X):
    return [f"t{number:02d}" for number in range(len(X))]


def groups(X, per_group=2):
    return pd.Series([f"g{n // per_group}" for n in range(len(X))], index=ids(X))


def test_examples():
    for module in (causes, families, sys.modules["genrelib.inference.intervals"]):
        result = doctest.testmod(module)
        assert result.attempted > 0
        assert result.failed == 0


# what is attributed


@pytest.mark.parametrize("method", explain.METHODS)
def test_attributions_lie_where_the_network_looks(one_band, method):
    explainer, X = one_band
    amounts = np.abs(explainer.attribute(method, X[:6]))
    patch_rows = explainer.patches()[:, 0] == explainer.patches()[BAND, 0]
    where = np.arange(SHAPE[0]) == BAND if method == "integrated_gradients" else patch_rows
    assert amounts[:, where].sum() > 0
    assert amounts[:, ~where].max() < 1e-6


def test_signs_say_for_and_against(one_band):
    explainer, X = one_band
    other = 1 - explainer.predicted(X[:6])
    found = explainer.attribute("integrated_gradients", X[:6])
    against = explainer.attribute("integrated_gradients", X[:6], other)
    assert (found.sum(axis=(1, 2)) > 0).all()
    assert (against.sum(axis=(1, 2)) < 0).all()


def drop_from_baseline(explainer, X):
    """Return the target's score less the score of the baseline."""
    everything = np.ones((1, 1, *explainer.patches().shape), bool)
    of_baseline = explainer.without(X[:1], everything)[0, 0]
    targets = explainer.predicted(X)
    return explainer.scores(X)[np.arange(len(X)), targets] - of_baseline[targets]


@pytest.mark.parametrize("kind", ["trained", "segments"])
def test_integrated_gradients_are_complete(request, kind):
    estimator, X = request.getfixturevalue(kind)[:2]
    explainer = explain.Explainer(estimator, X)
    total = explainer.attribute("integrated_gradients", X[:8]).sum(axis=(1, 2))
    wanted = drop_from_baseline(explainer, X[:8])
    assert np.abs(wanted).max() > 0.05
    assert np.abs(total - wanted).max() < 0.05 * np.abs(wanted).max()


def test_occlusion_is_the_fall_of_the_score(explainer, trained):
    _, X, _ = trained
    patches = explainer.patches()
    found = explainer.attribute("occlusion", X[:2])
    targets = explainer.predicted(X[:2])
    whole = explainer.scores(X[:2])
    for patch in (0, 37, patches.max()):
        cells = np.broadcast_to(patches == patch, (2, 1, *patches.shape))
        fall = whole - explainer.without(X[:2], cells)[:, 0]
        wanted = fall[np.arange(2), targets]
        for row in range(2):
            assert found[row][patches == patch] == pytest.approx(wanted[row], abs=1e-5)


def test_patches_cover_every_cell_once(explainer):
    patches = explainer.patches()
    assert patches.shape == SHAPE
    assert patches.max() + 1 == GRID[0] * GRID[1]
    assert set(np.bincount(patches.ravel())) == {2 * 2}


def test_a_track_like_the_baseline_has_no_attribution(explainer, trained):
    _, X, _ = trained
    average = np.broadcast_to(X.mean(axis=(0, 2))[None, :, None], (1, *SHAPE))
    assert np.abs(explainer.attribute("integrated_gradients", average)).max() < 1e-5
    assert explainer.distance(average).max() < 1e-5


@pytest.mark.parametrize("kind", ["trained", "segments"])
def test_scores_are_those_of_the_system(request, kind):
    estimator, X = request.getfixturevalue(kind)[:2]
    scores = explain.Explainer(estimator, X).scores(X)
    assert softmax(scores, axis=1) == pytest.approx(estimator.predict_proba(X), abs=1e-6)


def test_frames_without_segment_have_no_attribution(segments):
    estimator, X = segments
    explainer = explain.Explainer(estimator, X)
    assert explainer.patches().shape == (16, 30)  # three segments of ten, and two frames left
    for method in explain.METHODS:
        found = explainer.attribute(method, X[:2])
        assert found.shape == X[:2].shape
        assert np.abs(found[:, :, 30:]).max() == 0
        assert np.abs(found[:, :, :30]).max() > 0


def test_the_system_is_left_as_it_was(trained):
    estimator, X, _ = trained
    before = {k: v.clone() for k, v in estimator.net_.module_.state_dict().items()}
    state = torch.random.get_rng_state()
    explainer = explain.Explainer(estimator, X)
    explainer.attribute("integrated_gradients", X[:2])
    explainer.randomised(1, seed=3).attribute("occlusion", X[:2])
    after = estimator.net_.module_.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert all(p.requires_grad for p in estimator.net_.module_.parameters())
    assert torch.equal(state, torch.random.get_rng_state())


# refusals


def test_what_has_no_attributions_says_why(trained):
    estimator, X, y = trained
    flat = NetworkPipeline(
        [
            ("flatten", Flatten()),
            ("net", GenreNet(OneNumber, n_classes=2, max_epochs=1, batch_size=16)),
        ]
    ).fit(X, y, np.zeros(len(X), bool))
    neighbours = Pipeline([("flatten", Flatten()), ("knn", AvailableNeighbors(3))]).fit(X, y)
    hybrid = ClassifierOnNetwork(estimator, neighbours)
    assert explain.why_not(estimator) == ""
    for other, reason in (
        (flat, "vector of 512"),
        (neighbours, "no network"),
        (hybrid, "scikit-learn classifier on what the network computes"),
    ):
        assert reason in explain.why_not(other)
        with pytest.raises(GenrelibError, match=reason):
            explain.Explainer(other, X)


def test_bad_questions_are_refused(explainer, trained):
    _, X, _ = trained
    with pytest.raises(GenrelibError, match="known: integrated_gradients, occlusion"):
        explainer.attribute("lime", X)
    with pytest.raises(GenrelibError, match="fitted on 16 x 32"):
        explainer.scores(X[:, :, :16])


# whether to believe it


def test_deletion_finds_a_planted_cause(explainer, trained):
    _, X, _ = trained
    some = X[:12]
    rankings = {name: explainer.attribute(name, some) for name in explain.METHODS}
    rankings["reversed"] = -rankings["integrated_gradients"]
    curves = explain.deletion(explainer, some, ids(some), rankings, seed=0)
    assert set(curves["ranking"]) == {*rankings, CONTROL, RANDOM}
    ends = curves[curves["share"].isin([0, 1])].groupby(["track_id", "share"])["probability"]
    assert (ends.max() - ends.min()).max() < 1e-9
    table = explain.areas(curves, groups(some), seed=0).set_index(["ranking", "other"])
    for name in explain.METHODS:
        assert table.loc[(name, RANDOM), "lower"]
        assert table.loc[(name, CONTROL), "lower"]
    assert table.loc[("reversed", RANDOM), "high"] < 0
    gain = table["gain"]
    assert gain["occlusion", RANDOM] - gain["occlusion", CONTROL] == pytest.approx(
        gain[CONTROL, RANDOM]
    )
    again = explain.deletion(explainer, some, ids(some), rankings, seed=0)
    pd.testing.assert_frame_equal(curves, again)


def test_random_rankings_are_not_found_faithful(explainer, trained):
    _, X, _ = trained
    random = {"dice": rng(0, "dice").normal(size=X.shape)}
    curves = explain.deletion(explainer, X, ids(X), random, seed=0)
    table = explain.areas(curves, groups(X), seed=0)
    assert not table[(table["ranking"] == "dice") & (table["other"] == RANDOM)]["lower"].any()


def test_randomised_weights_change_the_attributions(explainer, trained):
    _, X, _ = trained
    table = explain.cascade(explainer, X[:8], ids(X[:8]), "occlusion", groups=groups(X[:8]), seed=0)
    assert table["n_layers"].tolist() == [0, 2, 3, 4, 6]
    assert table["first"].tolist() == ["", *(explainer.layers[-n] for n in (2, 3, 4, 6))]
    assert table["correlation"].iloc[0] == pytest.approx(1)
    assert table["high"].iloc[-1] < 0.5
    assert abs(table["signed"].iloc[-1]) < 0.3
    assert "attributions of occlusion depend" in explain.findings(cascades=table)[0]
    assert "the method passes" in explain.findings(cascades=table)[0]


def test_attributions_that_ignore_the_weights_fail_the_check():
    estimator, X, _ = network(Deaf, epochs=1)
    explainer = explain.Explainer(estimator, X)
    arguments = {"groups": groups(X[:6]), "seed": 0}
    table = explain.cascade(explainer, X[:6], ids(X[:6]), "integrated_gradients", **arguments)
    assert table["correlation"].iloc[-1] == pytest.approx(1)
    assert "the method fails" in explain.findings(cascades=table)[0]


@pytest.mark.parametrize(
    ("module", "kwargs"),
    [
        (Cnn2d, {}),
        (FeatureCnn, {}),
        (SegmentCnn, {}),
        (CnnLstm, {}),
        (ResNet18, {"module__width": 8}),
        (VisionTransformer, {"module__dim": 16}),
        (StackCnn, {}),
        (VolumeCnn, {}),
    ],
)
def test_every_network_can_be_randomised_from_the_end(module, kwargs):
    shape = (87, 32) if module in (StackCnn, VolumeCnn) else SHAPE
    estimator, X, _ = network(module, epochs=1, n=8, shape=shape, **kwargs)
    explainer = explain.Explainer(estimator, X)
    own = {key: value.clone() for key, value in explainer._module.named_parameters()}
    last = explainer.randomised(1, seed=5)
    changed = {k for k, v in last._module.named_parameters() if not torch.equal(v, own[k])}
    assert changed
    assert all(key.startswith(explainer.layers[-1]) for key in changed)
    whole, again = (explainer.randomised(len(explainer.layers), seed=5) for _ in range(2))
    kept = [
        key
        for key, value in whole._module.named_parameters()
        if torch.equal(value, own[key]) and value.std() > 0
    ]
    assert kept == []
    assert np.isfinite(whole.scores(X)).all()
    assert np.array_equal(whole.scores(X), again.scores(X))
    assert np.ptp(whole.attribute("integrated_gradients", X[:2])) > 0
    assert np.array_equal(explainer.randomised(0, seed=5).scores(X), explainer.scores(X))


def test_layers_carry_their_normalisation():
    assert len(layers_of(Cnn2d(SHAPE, 2))) == 6  # three convolutions and three dense layers
    module, fresh = Cnn2d(SHAPE, 2), Cnn2d(SHAPE, 2)
    with torch.no_grad():
        for value in module.parameters():
            value.fill_(7.0)
    copy_last(1, fresh, module)
    assert torch.equal(module.dense[-1].weight, fresh.dense[-1].weight)
    assert (module.dense[1].weight == 7).all()
    copy_last(3, fresh, module)
    assert torch.equal(module.dense[1].weight, fresh.dense[1].weight)
    assert (module.convolutions[11].weight == 7).all()


# shuffled families


def test_importance_finds_the_planted_family():
    X, y = planted()
    knn = Pipeline([("flatten", Flatten()), ("knn", AvailableNeighbors(3))])
    knn.fit(X[:, [BAND]], y)
    looks = Pipeline([("flatten", Flatten()), ("knn", _OnlyColumns(3))]).fit(X, y)
    families = {"planted": [BAND], "others": [n for n in range(SHAPE[0]) if n != BAND]}
    rows = explain.importance(looks, X, y, families, track_ids=ids(X), seed=0)
    drop = inference.means(rows, ["family"], "drop", groups(X), seed=0).set_index("family")
    assert drop.loc["planted", "low"] > 0.2
    assert drop.loc["others", "drop"] == 0


class _OnlyColumns(AvailableNeighbors):
    """Neighbours by one band of flattened matrices."""

    def fit(self, X, y):
        return super().fit(self._band(X), y)

    def predict_proba(self, X):
        return super().predict_proba(self._band(X))

    @staticmethod
    def _band(X):
        return X.reshape(len(X), *SHAPE)[:, BAND]


def test_importance_of_single_columns_is_that_of_scikit_learn():
    X, y = planted(40, (8, 4))
    X = X.mean(axis=2)
    knn = KNeighborsClassifier(3).fit(X[:20], y[:20])
    families = {str(n): [n] for n in range(8)}
    rows = explain.importance(knn, X[20:], y[20:], families, track_ids=ids(X[20:]), seed=3)
    known = permutation_importance(knn, X[20:], y[20:], n_repeats=3, random_state=3)
    found = rows.groupby("family")["drop"].mean()
    assert found.to_numpy() == pytest.approx(known["importances_mean"])
    assert np.ptp(found) > 0


def test_a_family_moves_together():
    generator = rng(0, "copies")
    y = np.arange(60) % 2
    first = (y + 0.1 * generator.normal(size=60)).astype(np.float32)
    X = np.stack([first, first], axis=1)
    knn = KNeighborsClassifier(1).fit(X, y)
    # shuffled one by one, some tracks get one row of each class; together, they never do
    seen = []
    knn.predict_proba_plain = knn.predict_proba
    knn.predict_proba = lambda Z: (seen.append(Z.copy()), knn.predict_proba_plain(Z))[1]
    explain.importance(knn, X, y, {"both": [0, 1]}, track_ids=ids(X), seed=0)
    assert len(seen) > 1
    assert all(np.array_equal(Z[:, 0], Z[:, 1]) for Z in seen)
    assert any(not np.array_equal(Z, X) for Z in seen)


@pytest.mark.parametrize(
    ("families", "n_rows"),
    [(explain.octaves(128), 128), (explain.octaves(32), 32), (explain.stack_families(), 87)],
)
def test_families_hold_every_row_once(families, n_rows):
    assert sorted(np.concatenate(list(families.values())).tolist()) == list(range(n_rows))


def test_octaves_are_octaves():
    sound = np.sin(2 * np.pi * 700 * np.arange(SR) / SR)
    loudest = int(extract(sound, SR, ["log_mel"])["log_mel"].sum(axis=1).argmax())
    assert loudest in explain.octaves(128)["500 to 1000 Hz"]


def test_statistics_are_named_as_they_are():
    X = rng(0, "mel").normal(size=(3, 40, 64)).astype(np.float32)
    statistics = MelStatistics().fit(X)
    columns, families = statistics.transform(X), explain.statistics_families(statistics)
    assert sorted(np.concatenate(list(families.values()))) == list(range(columns.shape[1]))
    assert columns[:, families["mean of bands"]] == pytest.approx(X.mean(axis=2), abs=1e-6)
    assert columns[:, families["deviation of bands"]] == pytest.approx(X.std(axis=2), abs=1e-6)
    louder = statistics.transform(X + 10)
    same = np.abs(louder - columns).max(axis=0) < 1e-3
    moved = {name for name, members in families.items() if not same[members].all()}
    assert moved == {"10th and 90th percentile of bands", "mean of bands", "mean of MFCC"}


# known causes


@pytest.fixture(scope="module")
def corpus():
    return plan(**OPTIONS)


@pytest.fixture(scope="module")
def healthy(corpus):
    return [name for name, recording in corpus.items() if not recording.fault]


def stems(recording):
    """Take a healthy recording apart into what is heard of each cause, and its noise.

    Production is linear but for the limiter at its end, so that a recording far below the limiter's
    reach is the sum of its stems, each with its share of room and equaliser.
    """
    noisy = replace(recording.artist, loudness_db=-60.0)
    clean = replace(noisy, noise_db=-np.inf)
    every = [part for parts in PARTS.values() for part in parts]
    alone = np.stack(
        [heard_of(recording, without(clean, set(every) - set(parts))) for parts in PARTS.values()]
    )
    whole = heard_of(recording, clean)
    # each rendering is brought to one loudness: how loud the stems are in the mix must be found
    gains = np.linalg.lstsq(alone.T, whole, rcond=None)[0]
    found = dict(zip(PARTS, gains[:, None] * alone, strict=True))
    return found | {"background": heard_of(recording, noisy) - whole}


def heard_of(recording, artist):
    return replace(recording, artist=artist).sound().astype(np.float64)


def test_a_part_taken_out_leaves_the_others(corpus, healthy):
    name = next(n for n in healthy if n.startswith("disco"))
    recording = corpus[name]
    heard = stems(recording)
    assert tuple(heard) == (*PARTS, "background")
    whole = sum(heard.values())
    quiet = replace(recording, artist=replace(recording.artist, loudness_db=-60.0)).sound()
    assert np.sqrt(np.mean((whole - quiet) ** 2)) < 1e-4 * np.sqrt(np.mean(quiet**2))
    music = whole - heard["background"]
    level = 10 * np.log10(np.mean(heard["background"] ** 2) / np.mean(music**2))
    assert level == pytest.approx(recording.artist.noise_db, abs=0.2)
    muted = stems(replace(recording, artist=without(recording.artist, ["drums"])))
    assert np.abs(heard["drums"]).max() > 0
    assert np.abs(muted["drums"]).max() == 0
    for source in ("bass", "chords"):
        assert np.corrcoef(heard[source], muted[source])[0, 1] > 0.9999


def test_productions_change_and_the_music_stays(corpus, healthy):
    recording, other = corpus[healthy[0]], corpus[healthy[-1]]
    assert other.artist.genre != recording.artist.genre
    changed = produced_as(recording.artist, other.artist)
    assert changed.curve_db([100, 1000]) == pytest.approx(other.artist.curve_db([100, 1000]))
    assert changed.room_s == other.artist.room_s
    mine, theirs = (
        arrange(recording.song, artist, n_beats=16) for artist in (recording.artist, changed)
    )
    assert mine.notes == theirs.notes
    assert mine.instruments == theirs.instruments


def test_the_neutral_production_is_the_middle(corpus):
    artists = list({r.artist.name: r.artist for r in corpus.values()}.values())
    middle = neutral(artists)
    rooms = sorted(artist.room_s for artist in artists)
    assert rooms[len(rooms) // 2 - 1] <= middle.room_s <= rooms[len(rooms) // 2]
    assert middle.bumps == ()
    assert abs(middle.curve_db([1000])[0]) < 1


@pytest.fixture(scope="module")
def rendered(healthy):
    asked = [next(n for n in healthy if n.startswith(g)) for g in ("classical", "metal")]
    return asked, explain.renditions(asked, healthy, OPTIONS)


def test_renditions_are_of_every_cause_that_is_there(corpus, rendered):
    asked, made = rendered
    rows = made.rows
    assert len(made.X) == len(rows)
    for name in asked:
        own = rows[rows["track_id"] == name]
        heard = stems(corpus[name])
        played = {f"no_{cause}" for cause, y in heard.items() if np.abs(y).max() > 0}
        assert set(own["change"]) == {
            "unchanged",
            "neutral",
            "other",
            *(played - {"no_background"}),
        }
        assert (own["genre"] == corpus[name].genre).all()
        donor = own.loc[own["change"] == "other", "donor"].item()
        assert donor in CONTROLLED
        assert donor != corpus[name].genre
        assert (own.loc[own["change"] != "other", "donor"] == "").all()
    classical = rows.loc[rows["track_id"] == asked[0], "change"]
    assert "no_drums" not in set(classical)


def test_an_unchanged_rendition_is_the_track(corpus, rendered):
    asked, made = rendered
    where = (made.rows["change"] == "unchanged").to_numpy()
    pcm = np.round(corpus[asked[1]].sound() * 32768) / 32768
    wanted = extract(pcm.astype(np.float32), SR, ["log_mel"])["log_mel"]
    assert np.abs(made.X[where][1] - wanted).max() < 0.1
    assert (made.X[where][1] == 0).any()


def test_productions_come_from_those_trained_on(healthy):
    asked = [name for name in healthy if name.startswith("rock")][:1]
    known = [name for name in healthy if name.startswith(("rock", "jazz"))]
    rows = explain.renditions(asked, known, OPTIONS).rows
    assert rows.loc[rows["change"] == "other", "donor"].item() == "jazz"


class _Fixed:
    """Answers with given probabilities, and lacks a class."""

    def __init__(self, probabilities):
        self.classes_ = np.arange(probabilities.shape[1])
        self.probabilities = probabilities

    def predict_proba(self, X):
        return self.probabilities


def test_effects_are_differences_to_the_same_track():
    rows = pd.DataFrame(
        [
            ("a", "jazz", "unchanged", ""),
            ("a", "jazz", "no_bass", ""),
            ("a", "jazz", "other", "metal"),
            ("b", "metal", "unchanged", ""),
            ("b", "metal", "no_bass", ""),
        ],
        columns=["track_id", "genre", "change", "donor"],
    )
    probabilities = np.array([[0.2, 0.8, 0], [0.6, 0.4, 0], [0.1, 0.6, 0.3], [0.5, 0.3, 0.2]])
    probabilities = np.vstack([probabilities, [0.1, 0.1, 0.8]])
    made = explain.Renditions(rows, np.zeros((5, 1, 1)))
    found = explain.effects(_Fixed(probabilities), made, made.X, ("blues", "jazz", "metal"))
    found = found.set_index(["track_id", "change"])
    assert found["drop"].tolist() == pytest.approx([0.4, 0.2, -0.6])
    assert found.loc[("a", "other"), "toward"] == pytest.approx(0.3)
    assert found["toward"].isna().tolist() == [True, False, True]


# tables, sentences, figures


def test_means_average_tracks_and_resample_groups():
    rows = pd.DataFrame(
        {
            "track_id": ["a", "a", "b", "c", "d"],
            "part": ["x"] * 4 + ["y"],
            "drop": [0.0, 0.2, 0.3, np.nan, 0.5],
        }
    )
    artists = pd.Series({"a": "A", "b": "B", "c": "C", "d": "D"})
    table = inference.means(rows, ["part"], "drop", artists, seed=0).set_index("part")
    assert table.loc["x", ["n_tracks", "drop"]].tolist() == pytest.approx([2, 0.2])
    assert table.loc["x", "low"] < 0.2 < table.loc["x", "high"]
    assert table.loc["y", ["low", "high"]].tolist() == [-1, 1]  # one artist tells nothing


def test_sentences_hold_the_numbers_of_their_tables():
    interval = {"low": [0.1, -0.05], "high": [0.3, 0.15], "n_tracks": 9}
    causes = pd.DataFrame(
        {"system": "cnn_2d", "change": ["no_drums", "neutral"], "drop": [0.2, 0.05], **interval}
    )
    families = pd.DataFrame(
        {"system": "mel_svm", "family": ["a", "b"], "drop": [0.2, 0.05], **interval}
    )
    toward = pd.DataFrame(
        {"system": ["knn", "svm"], "change": "other", "toward": [0.2, 0.05], **interval}
    )
    said = explain.findings(causes=causes, importances=families, toward=toward)
    assert "under 1 of 2 changes, each interval read by itself: without drums, 20.0 [+10" in said[0]
    assert said[0].startswith("2D CNN on mel spectrograms:")
    assert (
        "with 1 of 2 systems, each interval read by itself: K nearest neighbours, 20.0" in said[2]
    )
    assert "shuffling 1 of 2 families of inputs costs accuracy, each interval" in said[3]
    assert said[3].endswith("over 9 tracks: a, 20.0 [+10.0, +30.0] points.")
    assert explain.findings() == []


def test_figures_show_what_is_in_the_tables(explainer, trained):
    _, X, _ = trained
    some = X[:4]
    maps = {title: explainer.attribute(name, some) for name, title in explain.METHODS.items()}
    curves = explain.deletion(explainer, some, ids(some), maps, seed=0)
    areas = explain.areas(curves, groups(some), seed=0)
    fig = plots.deletion_curves(curves, areas)
    assert len(fig.axes[0].lines) == 4
    arguments = {"groups": groups(some), "seed": 0}
    cascades = explain.cascade(explainer, some, ids(some), "occlusion", **arguments)
    fig = plots.randomisation(cascades)
    assert fig.axes[0].lines[0].get_ydata() == pytest.approx(cascades["correlation"])
    bars = pd.DataFrame(
        {
            "system": ["knn", "svm"] * 2,
            "change": ["no_drums"] * 2 + ["other"] * 2,
            "family": ["a", "b"] * 2,
            "drop": [0.1, 0.2, 0.3, -0.1],
            "low": -0.2,
            "high": 0.4,
        }
    )
    fig = plots.cause_drops(bars)
    assert sorted(p.get_width() for p in fig.axes[0].patches) == pytest.approx([-10, 10, 20, 30])
    assert len(plots.family_drops(bars).axes) == 2
    plt.close("all")
