"""The model file: all that an answer needs, in one file without pickle.

Its first line holds a digest of the rest, a zip archive of

* ``header.json``, the model's card: corpus, genres, features and their parameters, versions,
  accuracy on unknown artists, calibration, the threshold of novelty, and the shape of each network;
* ``estimator.skops``, the fitted estimator, by skops: only classes that scikit-learn, NumPy or the
  system itself are made of are taken from it;
* ``weights-<number>.safetensors``, of networks, whose code is genrelib's;
* ``known.safetensors`` and ``tracks.json``, sums and titles of the training tracks, see
  :mod:`.novelty`. Nothing of them can be heard.

The digest tells damage, not who made the file; what is unsafe to read is refused either way.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import safetensors.numpy
import safetensors.torch
import skops.io
import torch
from safetensors import SafetensorError
from sklearn.base import BaseEstimator, clone
from skops.io.exceptions import UntrustedTypesFoundException

from .. import systems
from ..base.codetrace import versions
from ..base.errors import GenrelibError
from ..base.files import replacing
from ..experiments.planning import recipe_of
from ..systems.training import GenreNet
from . import listening
from .novelty import REVISION, Known

MAGIC = b"genrelib model 1 "
SUFFIX = ".genremodel"
MOST_BYTES = 2**32  # the most that a file may hold, unpacked

MADE_BY = ("scikit-learn", "skorch", "torch")  # read by the version that wrote them alone
_AGAIN = "train it again: python -m genrelib train --study NAME --system NAME"


@dataclass(frozen=True)
class Model:
    """A fitted system with what is known of it; made by :func:`.training.train` or :func:`read`.

    `header` is the card, `known` are the training tracks, and `baseline` is the mean of each band
    of the system's feature over them, shape ``(n_bands, 1)``.
    """

    header: dict
    estimator: BaseEstimator
    known: Known
    baseline: np.ndarray

    @property
    def genres(self) -> list[str]:
        """The genres it knows, in the order of its probabilities."""
        return self.header["genres"]

    @property
    def caution(self) -> str:
        """What must be said beside each answer to a real song; empty if it was trained on some."""
        if not self.header["corpus"]["is_rendered"]:
            return ""
        return (
            "This model was trained on music that a program plays, not on real songs. It often "
            "names a wrong genre for a real song, and its percentages hold for the program's music "
            "only. A model of real songs: python -m genrelib train --study gtzan_mel_dev"
        )

    def probabilities(self, X: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities of features ``(n, n_bands, n_frames)``."""
        found = np.full((len(X), len(self.genres)), 1e-15)
        found[:, self.estimator.classes_] = np.clip(self.estimator.predict_proba(X), 1e-15, 1)
        found **= 1 / self.header["calibration"]["temperature"]
        return found / found.sum(axis=1, keepdims=True)


class Place(BaseEstimator):
    """Stands where a network was, while the rest of an estimator is written."""

    def __init__(self, number=0):
        self.number = number


def write(path: Path, model: Model) -> None:
    """Write a model, whole or not at all."""
    nets: list[GenreNet] = []

    def put_away(net: GenreNet) -> Place:
        nets.append(net)
        return Place(len(nets) - 1)

    members = {"estimator.skops": skops.io.dumps(_with_nets(model.estimator, put_away))}
    described = []
    for number, net in enumerate(nets):
        is_fitted = hasattr(net, "module_")
        described.append({"net": _recipe(net), "input": net.input_shape_ if is_fitted else None})
        if is_fitted:
            state = {k: v.contiguous().cpu() for k, v in net.module_.state_dict().items()}
            members[f"weights-{number}.safetensors"] = safetensors.torch.save(state)
    known = model.known
    arrays = {"mean": known.mean, "scale": known.scale, "points": known.points}
    arrays |= {"baseline": model.baseline}
    arrays = {name: np.ascontiguousarray(a, dtype=np.float32) for name, a in arrays.items()}
    members["known.safetensors"] = safetensors.numpy.save(arrays)
    members["tracks.json"] = _json(known.tracks.to_dict("list"))
    members["header.json"] = _json({**model.header, "nets": described})
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    body = archive.getvalue()
    with replacing(path) as temporary:
        digest = hashlib.sha256(body).hexdigest()
        temporary.write_bytes(MAGIC + digest.encode() + b"\n" + body)


def read(path: Path) -> Model:
    """Read a model; refuse what is damaged, foreign, unsafe, or of another version, with why."""
    path = Path(path)
    members = _members(path)
    try:
        header = json.loads(members["header.json"])
        for name, here in versions(MADE_BY).items():
            if header["versions"][name] != here:
                raise GenrelibError(
                    f"it was made with {name} {header['versions'][name]}, here is {here}; install "
                    f"that version, or {_AGAIN}."
                )
        listening.check(header["made_with"])
        if header["novelty"]["revision"] != REVISION:
            raise GenrelibError(f"novelty is measured otherwise here; {_AGAIN}.")
        estimator = _estimator(header, members)
        arrays = safetensors.numpy.load(members["known.safetensors"])
        tracks = pd.DataFrame(json.loads(members["tracks.json"]), dtype=str)
        known = Known(arrays["mean"], arrays["scale"], arrays["points"], tracks)
        return Model(header, estimator, known, arrays["baseline"])
    except UntrustedTypesFoundException as error:
        raise GenrelibError(
            f"{path} is not opened, since reading it could run code that is no part of the system: "
            f"{error}. Take models from people you trust, or {_AGAIN}."
        ) from error
    except GenrelibError as error:
        raise GenrelibError(f"{path} can't be used here: {error}") from error
    except (SafetensorError, zipfile.BadZipFile, LookupError, TypeError, ValueError) as error:
        raise GenrelibError(
            f"{path} does not hold what a model needs ({type(error).__name__}: {error}); {_AGAIN}."
        ) from error


def _members(path: Path) -> Mapping[str, bytes]:
    """Return the archive's members, once it is sure that the file is as it was written."""
    if not path.is_file():
        seen = "is a folder, not a model file" if path.is_dir() else "is not there"
        raise GenrelibError(
            f"the model {path} {seen}; name a file that python -m genrelib train has written."
        )
    content = path.read_bytes()
    first, _, body = content.partition(b"\n")
    if not first.startswith(MAGIC):
        raise GenrelibError(
            f"{path} is not a model of genrelib: it begins with {content[:16]!r}, not {MAGIC!r}; "
            f"{_AGAIN}."
        )
    if first[len(MAGIC) :] != hashlib.sha256(body).hexdigest().encode():
        raise GenrelibError(
            f"{path} is damaged: its content does not have the digest that its first line states; "
            f"copy it again, or {_AGAIN}."
        )
    with zipfile.ZipFile(io.BytesIO(body)) as file:
        if sum(info.file_size for info in file.infolist()) > MOST_BYTES:
            raise GenrelibError(f"{path} holds more than {MOST_BYTES} bytes; {_AGAIN}.")
        return {info.filename: file.read(info) for info in file.infolist()}


def _estimator(header: dict, members: Mapping[str, bytes]) -> BaseEstimator:
    """Put the estimator together; what it is made of must be what the registry's system is."""
    built = systems.build(header["system"], **header["recipe"])
    parts = [built, *(v for v in built.get_params(deep=True).values())]
    own = {type(part) for part in parts if type(part).__module__.startswith("genrelib.systems.")}
    trusted = [f"{cls.__module__}.{cls.__name__}" for cls in {*own, Place} - {GenreNet}]
    templates = [part for part in parts if isinstance(part, GenreNet)]

    def net_at(place: Place) -> GenreNet:
        wanted = header["nets"][place.number]
        same = [net for net in templates if _recipe(net) == wanted["net"]]
        if not same:
            raise GenrelibError(f"the code of {header['system']} has changed; {_AGAIN}.")
        net = clone(same[0])
        if wanted["input"] is not None:
            weights = members[f"weights-{place.number}.safetensors"]
            net.input_shape_ = tuple(wanted["input"])
            with torch.random.fork_rng():
                net.initialize()
            net.module_.load_state_dict(safetensors.torch.load(weights))
        return net

    estimator = skops.io.loads(members["estimator.skops"], trusted=trusted)
    if type(estimator) is not type(built):
        raise TypeError(f"the estimator is a {type(estimator).__name__}")
    return _with_nets(estimator, net_at, kind=Place)


def _recipe(net: GenreNet) -> dict[str, str]:
    """Describe what shape a network has: its module and that one's parameters."""
    return {name: value for name, value in recipe_of(net).items() if name.startswith("module")}


def _with_nets(value: object, change: Callable, *, kind: type = GenreNet) -> object:
    """Copy an estimator with every part of a kind changed, however deep it lies."""
    if isinstance(value, kind):
        return change(value)
    if isinstance(value, (list, tuple)):
        return type(value)(_with_nets(part, change, kind=kind) for part in value)
    if isinstance(value, BaseEstimator):
        copied = object.__new__(type(value))
        parts = vars(value).items()
        copied.__dict__.update({name: _with_nets(part, change, kind=kind) for name, part in parts})
        return copied
    return value


def _json(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False, indent=1).encode()
