"""Whatever a study's file holds: parameters within their limits, or an error names the field."""

import pytest
import yaml
from helpers.builders import copied_project
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genrelib.base.errors import GenrelibError
from genrelib.base.files import Workspace
from genrelib.corpora import CORPORA
from genrelib.experiments import Settings
from genrelib.protocols import PROTOCOLS
from genrelib.study import parameters
from genrelib.systems import SYSTEMS, chosen

NAMES = ["all", "svm", "cnn_2d", "track_random", "artist_grouped", "synthetic", "gtzan", "smoke"]
SCALARS = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6)),
    *(st.sampled_from(NAMES), st.just(10**400), st.dates()),
)
VALUES = st.recursive(
    SCALARS,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(SCALARS, v, max_size=2),
    max_leaves=4,
)
NUMBERS = ("n_folds", "n_repeats", "seed", "epoch_share", "image_size")
FIELDS = sorted(parameters.PARAMETERS)
many = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    """A project with a study named any."""
    return Workspace("any", copied_project(tmp_path_factory.mktemp("project")))


def read(workspace: Workspace, text: str) -> dict:
    (workspace.root / "studies/any.yaml").write_text(text, encoding="utf-8")
    return parameters.parameters_of(workspace)


def smoke(workspace: Workspace) -> dict:
    return yaml.safe_load((workspace.root / "studies/smoke.yaml").read_text())


@given(field=st.sampled_from(FIELDS), value=VALUES)
@settings(many, max_examples=200)
def test_any_value_is_within_the_limits_or_its_field_is_named(workspace, field, value):
    text = yaml.safe_dump(smoke(workspace) | {field: value})
    refused = ""
    try:
        found = read(workspace, text)
    except GenrelibError as error:
        refused = str(error)
    if refused:  # a list without the systems that are probed for what is probed
        assert any(name in refused for name in (field, field.removesuffix("s"), "probed"))
        return
    assert found["corpus"] in CORPORA
    assert all(isinstance(name, str) for name in found["corpus_options"])
    for name in ("systems", "decomposed", "probed"):
        names = chosen(found[name])
        assert isinstance(names, list)
        assert set(names) <= set(SYSTEMS)
        assert len(names) == len(set(names))
    assert isinstance(found["protocols"], list)
    assert set(found["protocols"]) <= set(PROTOCOLS)
    Settings(**{name: found[name] for name in NUMBERS})


@given(st.text(st.characters(codec="utf-8"), max_size=40))
@many
def test_any_text_for_a_study_is_refused_in_words(workspace, text):
    with pytest.raises(GenrelibError, match=r"studies/any\.yaml"):
        read(workspace, text)


@pytest.mark.parametrize(
    "value",
    [
        *("2001-99-99", "!!int ''", "!!float x", "!!timestamp x", "!!bool x", "[" * 400),
        *("[*none]", "{[1]: 2}", "!!python/object:os.system {}", "&a [*a]"),
    ],
)
def test_what_yaml_itself_can_t_read_is_refused_in_words(workspace, value):
    text = (workspace.root / "studies/smoke.yaml").read_text().replace("title: Smoke", "title: ")
    with pytest.raises(GenrelibError, match=r"any\.yaml|seed"):
        read(workspace, text.replace("seed: 0\n", f"seed: {value}\n"))
