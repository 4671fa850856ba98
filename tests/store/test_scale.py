"""Scale: what does not fit in memory is streamed, and gives what memory would have given."""

import json
import pickle
import runpy
import tracemalloc
from functools import partial

import numpy as np
import pandas as pd
import pytest
from helpers.builders import ROOT, make_features
from joblib import Parallel, delayed

from genrelib import experiments
from genrelib import systems as registry
from genrelib.base.errors import GenrelibError
from genrelib.base.files import Workspace
from genrelib.base.seeds import rng
from genrelib.experiments import planning as fits
from genrelib.experiments import predictions, streaming
from genrelib.experiments.streaming import Rows
from genrelib.features import segments

BENCHMARK = runpy.run_path(str(ROOT / "benchmarks" / "scale.py"))
N_TRACKS = 240
Y = np.arange(70) % 4
X = make_features(Y, n_bands=16, n_frames=24)
MASK = np.arange(70) >= 55


def rows_of(X) -> Rows:
    return Rows(partial(np.take, X, axis=0), len(X), X.shape[1:])


def estimator_of(name):
    return registry.build(
        name, n_classes=4, seed=3, epoch_share=0.03, image_size=(16, 24), clip_s=6.0
    )


@pytest.fixture(scope="module")
def corpus():
    return BENCHMARK["index_of"](N_TRACKS)


@pytest.fixture(scope="module")
def store(corpus, tmp_path_factory):
    return BENCHMARK["build"](corpus, tmp_path_factory.mktemp("scale") / "store.h5")


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 32 rows, so that small data has several."""
    monkeypatch.setattr(streaming, "BLOCK", 1)


# -- rows that are read when asked for -------------------------------------------------------------


@pytest.mark.parametrize(
    "index", [3, -1, np.int64(5), slice(2, 9), slice(None), [4, 4, 0], Y == 2, np.array([], int)]
)
def test_rows_are_indexed_as_an_array(index):
    rows = rows_of(X)
    np.testing.assert_array_equal(rows[index], X[index])
    assert (len(rows), rows.shape, rows.dtype) == (len(X), X.shape, X.dtype)
    with pytest.raises(IndexError):
        rows[70]


def test_rows_are_cut_and_mapped_as_the_whole_is():
    pieces = rows_of(X).cut(3)
    expected = segments.cut(X, 3)
    places = rng(0, "places").permutation(len(expected))[:40]
    np.testing.assert_array_equal(pieces[places], expected[places])
    sums = pieces.mapped(partial(np.sum, axis=2))
    assert sums.shape == (210, 16)
    np.testing.assert_array_equal(sums.held(places), expected[places].sum(axis=2))


def test_only_what_is_asked_for_is_read(corpus, store):
    ids, read = list(corpus.usable.index), []

    def reading(ids):
        read.extend(ids)
        return store.read("log_mel", ids, size=(16, 16))

    rows = Rows.of(reading, ids)
    assert read == ids[:1]
    expected = store.read("log_mel", ["000007", "000002"], size=(16, 16))
    np.testing.assert_array_equal(rows[[7, 2]], expected)
    assert read[1:] == ["000007", "000002"]


def test_rows_of_a_store_travel_to_other_processes(corpus, store):
    ids = list(corpus.usable.index)
    rows = Rows.of(partial(store.read, "log_mel", size=(8, 8)), ids)
    again = pickle.loads(pickle.dumps(rows))
    np.testing.assert_array_equal(again[5:9], rows[5:9])


def test_blocks_hold_every_row_once_and_few_at_a_time(monkeypatch):
    monkeypatch.setattr(streaming, "BLOCK", 64 * X[0].nbytes)
    blocks = list(rows_of(X).blocks())
    assert [len(block) for block in blocks] == [64, 6]
    np.testing.assert_array_equal(np.concatenate(blocks), np.arange(70))


# -- what is fitted --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["ann", "cnn_2d", "cnn_segments", "vit", "cnn_stack_svm", "nn", "knn", "mel_svm"]
)
def test_a_streamed_fit_predicts_what_one_in_memory_does(name, small_blocks):
    """Equal batches in equal order: all that may differ is how a mean over blocks is rounded."""
    mask = {"is_valid": MASK} if registry.system(name).validates else {}
    expected = estimator_of(name).fit(X, Y, **mask)
    streamed = streaming.fit(estimator_of(name), rows_of(X), Y, **mask)
    assert type(streamed) is type(expected)
    np.testing.assert_allclose(streamed.predict_proba(X), expected.predict_proba(X), atol=1e-6)
    if mask:
        curves = (pd.DataFrame(fitted.net_.curve) for fitted in (streamed, expected))
        pd.testing.assert_frame_equal(*curves, rtol=1e-6)


def test_the_order_of_batches_is_that_of_the_seed(small_blocks):
    """The comparison above can fail: another seed's batches and weights are seen by it."""
    one = streaming.fit(estimator_of("ann"), rows_of(X), Y, MASK).predict_proba(X)
    other = estimator_of("ann").set_params(net__seed=4).fit(X, Y, MASK).predict_proba(X)
    assert np.abs(one - other).max() > 1e-3


def test_every_batch_is_one_read_and_no_more_is_held():
    sizes = []

    def counted(places):
        sizes.append(len(places))
        return X[places]

    fitted = streaming.fit(estimator_of("ann"), Rows(counted, len(X), X.shape[1:]), Y, MASK)
    n_epochs = 3
    looks = sizes[: -n_epochs * 3]
    # 55 rows to train on in batches of 32 and 23, then 15 to validate with
    assert sizes[len(looks) :] == [32, 23, 15] * n_epochs
    assert sum(looks) == 55 + looks.count(1)  # the scaler's look; first rows, for their shape
    assert not any(row["batches"] for row in fitted.net_.history)  # notes do not pile up


@pytest.mark.parametrize("name", ["ann", "vit", "mel_svm"])
def test_values_that_are_not_finite_are_refused(name, small_blocks):
    damaged = X.copy()
    damaged[40, 2, 3] = np.nan
    mask = {"is_valid": MASK} if registry.system(name).validates else {}
    with pytest.raises(GenrelibError, match=r"1 of .* feature values are NaN or infinite"):
        streaming.fit(estimator_of(name), rows_of(damaged), Y, **mask)


def test_a_mask_that_leaves_nothing_to_train_on_is_refused():
    for mask in (np.ones(70, bool), np.zeros(5, bool)):
        with pytest.raises(GenrelibError, match="validation rows of 70"):
            streaming.fit(estimator_of("ann"), rows_of(X), Y, mask)


@pytest.mark.parametrize("name", ["svm", "nn"])
def test_what_cannot_be_streamed_is_refused_before_memory_is_full(name, monkeypatch):
    """A principal component analysis of whole stacks: 100,000 of them are 42 GiB."""
    n_rows, shape = 100_000, (87, 1292)
    rows = Rows(lambda places: np.zeros((len(places), *shape), np.float32), n_rows, shape)
    mask = {"is_valid": np.arange(n_rows) < 9} if registry.system(name).validates else {}
    with pytest.raises(GenrelibError, match=r"100000 rows of 112404 .* 41\.9 GiB.*leave the sys"):
        streaming.fit(estimator_of(name), rows, np.zeros(n_rows), **mask)


# -- which fits are streamed -----------------------------------------------------------------------


def plan(corpus, store, folder, name="ann"):
    return fits.plan(
        [name],
        ["artist_grouped", "segment_random"],
        corpus,
        store,
        Workspace("scale", folder),
        fits.Settings(n_folds=2, n_repeats=1, seed=0, epoch_share=0.01, image_size=(16, 16)),
    )


def test_size_alone_decides_and_only_streamed_fits_get_another_key(
    corpus, store, tmp_path, monkeypatch
):
    expected = plan(corpus, store, tmp_path)
    folds = [fit.fold for fit in expected]
    sizes = [max(len(f.train) + len(f.valid), len(f.test)) * 16 * 16 * 4 for f in folds]
    monkeypatch.setattr(streaming, "BUDGET", max(sizes))
    assert plan(corpus, store, tmp_path) == expected
    monkeypatch.setattr(streaming, "BUDGET", max(sizes) - 1)
    found = plan(corpus, store, tmp_path)
    assert [fit.streamed for fit in found] == [size == max(sizes) for size in sizes]
    for one, other in zip(expected, found, strict=True):
        assert (one.key == other.key) is not other.streamed


@pytest.mark.parametrize("name", ["ann", "mel_svm"])
def test_a_streamed_study_predicts_the_same_and_says_that_it_streamed(
    corpus, store, tmp_path, monkeypatch, small_blocks, name
):
    def predicted(folder):
        fit = fits.kept(plan(corpus, store, folder, name))[0]
        experiments.run([fit], corpus, store, n_jobs=1)
        record = json.loads(predictions.beside(fit.path, ".json").read_text())
        tables = [fit.path.read_bytes(), predictions.valid_path(fit.path).read_bytes()]
        return tables, record["streamed"], fit.key

    expected = predicted(tmp_path / "memory")
    monkeypatch.setattr(streaming, "BUDGET", 1000)
    found = predicted(tmp_path / "streamed")
    assert found[0] == expected[0]
    assert (expected[1], found[1]) == (False, True)
    assert found[2] != expected[2]


def test_segments_are_streamed_as_they_are_read(corpus, store, tmp_path):
    (fit, *_) = (f for f in plan(corpus, store, tmp_path) if f.fold.protocol == "segment_random")
    rows = fit.rows(store, fit.fold.test)
    np.testing.assert_array_equal(rows[:], fit.read(store, fit.fold.test))


# -- the store -------------------------------------------------------------------------------------


def test_several_processes_read_out_of_order(corpus, store):
    ids = corpus.usable.index
    expected = store.read("log_mel", ids, size=(8, 8))
    orders = [rng(seed, "order").permutation(len(ids)) for seed in range(4)]
    read = delayed(partial(store.read, "log_mel", size=(8, 8)))
    found = Parallel(n_jobs=2)(map(read, map(ids.take, orders)))
    for matrices, order in zip(found, orders, strict=True):
        np.testing.assert_array_equal(matrices, expected[order])


def test_reading_a_batch_takes_what_the_batch_takes(corpus, store):
    ids = rng(0, "batch").permutation(corpus.usable.index)[:32]
    store.read("log_mel", ids)
    tracemalloc.start()
    batch = store.read("log_mel", ids, size=(64, 64))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < batch.nbytes + 4 * 128 * 130 * 4 + 200_000


def test_writing_holds_one_track_at_a_time(corpus, tmp_path):
    tracemalloc.start()
    path = BENCHMARK["build"](corpus, tmp_path / "store.h5").path
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert path.stat().st_size > N_TRACKS * 128 * 130 * 2
    assert peak < path.stat().st_size / 3
