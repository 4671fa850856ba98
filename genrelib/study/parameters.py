"""Parameters of a study: read from ``studies/*.yaml``, every name and value checked beforehand."""

from functools import cache
from pathlib import Path

import yaml

from ..base.errors import LIMITS, GenrelibError, check_limits, unknown
from ..base.files import Workspace
from ..corpora import CORPORA
from ..protocols import PROTOCOLS
from ..systems import SYSTEMS, chosen

FOR_THE_PAGE = ("title", "about")
GIVEN = ("study", "n_jobs")  # by the runner, not by a study
REGISTRIES = {
    "corpus": ("corpus", CORPORA),
    "systems": ("system", SYSTEMS),
    "decomposed": ("system", SYSTEMS),
    "probed": ("system", SYSTEMS),
    "protocols": ("protocol", PROTOCOLS),
}
UNREADABLE = (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError)
"""What PyYAML raises: not all that a tag or a date can't be, or a thousand brackets, is its own."""
MOST_CHARACTERS = 100_000
MAY_BE_EMPTY = ("decomposed", "probed")
PARAMETERS = (*LIMITS, *REGISTRIES)  # that a notebook may declare, beside those given


def parameters_of(workspace: Workspace) -> dict:
    """Read ``studies/<study>.yaml``: what the page shows, and the parameters of the notebooks.

    Raises :class:`GenrelibError` for an unknown study, an unknown or a missing name, a corpus,
    system or protocol that does not exist, or a file that is not YAML.
    """
    known = {path.stem: path for path in (workspace.root / "studies").glob("*.yaml")}
    if workspace.study not in known:
        raise unknown("study", workspace.study, known)
    try:
        parameters = _loaded(known[workspace.study].read_text(encoding="utf-8"))
    except UNREADABLE as error:
        raise GenrelibError(f"studies/{workspace.study}.yaml is not valid YAML: {error}") from error
    if not isinstance(parameters, dict):
        raise GenrelibError(
            f"studies/{workspace.study}.yaml holds {type(parameters).__name__}; "
            "a mapping of parameter names to values is needed. See studies/demo.yaml."
        )
    for name in FOR_THE_PAGE:
        if not isinstance(parameters.get(name, ""), str):
            raise GenrelibError(
                f"{name}={parameters[name]!r} in studies/{workspace.study}.yaml; text is needed: "
                "put it in quotation marks."
            )
    declared = set().union(*(declared_in(path) for path in source_notebooks(workspace)))
    known = (declared | set(FOR_THE_PAGE)) - set(GIVEN)
    for name in parameters:
        if name not in known:
            raise unknown(f"parameter in studies/{workspace.study}.yaml", name, known)
    missing = sorted(known - set(parameters))
    if missing:  # a notebook's own value is that of the smoke study, which no one means
        raise GenrelibError(f"studies/{workspace.study}.yaml lacks: {', '.join(missing)}.")
    check_values(parameters)
    return parameters


def _loaded(text: str) -> object:
    """Load YAML that is small, names nothing twice, and means what it says: no aliases."""
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"{len(text)} characters; at most {MOST_CHARACTERS} are read")
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"*{event.anchor} stands for what is written elsewhere; write it out")
    return yaml.load(text, _Once)


class _Once(yaml.SafeLoader):
    """Loads what `yaml.safe_load` does, but no mapping that has a key twice."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise ValueError(f"{key!r} is given more than once; keep one")
        return super().construct_mapping(node, deep)


def check_values(parameters: dict) -> None:
    """Refuse names that no registry knows and values that can't be, before anything has run."""
    check_limits(**{name: parameters[name] for name in LIMITS if name in parameters})
    for name, (kind, registry) in REGISTRIES.items():
        if name not in parameters:  # no notebook declares it
            continue
        given = chosen(parameters[name]) if registry is SYSTEMS else parameters[name]
        values = given if isinstance(given, list) else [given]
        for value in values:
            if not isinstance(value, str) or value not in registry:
                place = kind if name.startswith(kind) else f"{kind} in {name}"
                raise unknown(place, value, registry)
        if isinstance(given, list) == (name == "corpus") or len(set(values)) < len(values):
            allowed = "one name" if name == "corpus" else "a list of names, each once"
            raise GenrelibError(f"{name}={given!r}; allowed is {allowed}. Change it.")
        if not values and name not in MAY_BE_EMPTY:
            raise GenrelibError(f"{name} is empty; name at least one of: {', '.join(registry)}.")
    if "systems" not in parameters:  # in a notebook that names only those it probes
        return
    strange = set(chosen(parameters.get("probed", []))) - set(chosen(parameters["systems"]))
    if parameters.get("probed") and "artist_grouped" not in parameters.get("protocols", []):
        raise GenrelibError(
            "probed asks the fits under artist_grouped, which protocols does not name; add it "
            "there, or leave probed empty."
        )
    if strange:
        raise GenrelibError(
            f"probed names {', '.join(sorted(strange))}, which systems does not; add them there, "
            "or leave probed empty."
        )


def source_notebooks(workspace: Workspace) -> list[Path]:
    """List the numbered source notebooks, in order."""
    return sorted((workspace.root / "notebooks").glob("[0-9][0-9]_*.ipynb"))


@cache
def declared_in(path: Path) -> frozenset[str]:
    """Return the names in a notebook's ``parameters`` cell."""
    import papermill  # takes as long to import as torch, and notebooks need none

    return frozenset(papermill.inspect_notebook(str(path)))


def parameters_for(path: Path, parameters: dict) -> dict:
    """Pick those of a study's parameters that a notebook declares."""
    return {name: value for name, value in parameters.items() if name in declared_in(path)}
