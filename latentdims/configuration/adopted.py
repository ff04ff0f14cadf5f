"""Adopted networks: those with checkpoints or responses in the configuration, which are not
trained."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import Formatter
from typing import Any

from latentdims.configuration.config_file import expanded
from latentdims.configuration.schema import NOTHING, plain
from latentdims.errors import InputError, nearest
from latentdims.models import responses

Asked = dict[str, Any]
Epoch = int | float

NAMES = ("checkpoints", "untrained", "classes", "seeds")  # keys of a network that are read here
HDF5 = b"\x89HDF\r\n\x1a\n"  # how its files begin


def adopted(networks: Mapping[str, dict[str, Any]], *, seeds: int) -> dict[str, Asked]:
    """What is requested for each adopted network, by name. These keys are removed from the
    networks.

    {seeds, classes, epochs, trained, untrained}: the number of seeds; the number of outputs, or
    None if they are the classes of the data set; the epochs of the checkpoints, or None for a
    single one; and {path, key, prefix} of each. Raises InputError for keys that do not go together.
    """
    found = {}
    for name, network in networks.items():
        given = {key: network.pop(key, None) for key in NAMES}
        given = {key: value for key, value in given.items() if value not in NOTHING}
        try:
            if responses.are_given(network):
                found[name] = _responses(given, network, seeds=seeds)
            elif "checkpoints" in given:
                found[name] = _asked(given, network, seeds=given.get("seeds") or seeds)
            elif given:
                raise InputError(
                    f"{next(iter(given))}: is for a network with `checkpoints`; add these, or "
                    "leave it out"
                )
        except InputError as error:
            raise InputError(f"networks.{name}.{error}") from None
    return found


def _responses(given: Mapping[str, Any], network: Mapping[str, Any], *, seeds: int) -> Asked:
    if others := [key for key in given if key != "seeds"]:
        raise InputError(f"{others[0]}: a network with responses does not take this key; remove it")
    family = responses.Family.of({k: v for k, v in network.items() if v not in NOTHING})
    seeds = given.get("seeds") or seeds
    _check_fields("responses", family.responses, ["seed"], seeds=seeds)
    trained = {"key": None, "prefix": None, "path": expanded(family.responses)}
    none = {"classes": None, "epochs": None, "untrained": None}
    return {"seeds": seeds, "trained": trained, **none}


def _asked(given: Mapping[str, Any], network: Mapping[str, Any], *, seeds: int) -> Asked:
    if network.get("training") not in NOTHING:
        raise InputError("training: the network is adopted, not trained; remove this key")
    trained, untrained = (_place(given.get(key)) for key in NAMES[:2])
    assert trained is not None
    epochs = _epochs(trained.pop("epochs", None))
    for key, place, fields in (
        ("checkpoints", trained, ["seed", *(["epoch"] if epochs else [])]),
        ("untrained", untrained, ["seed"]),
    ):
        if place:
            _check_fields(key, place["path"], fields, seeds=seeds)
    return {
        "seeds": seeds,
        "classes": given.get("classes"),
        "epochs": epochs,
        "trained": trained,
        "untrained": untrained,
    }


def _place(given: Any) -> dict[str, Any] | None:
    if given is None:
        return None
    place = {"path": given} if isinstance(given, str) else given
    return {"key": None, "prefix": None, **place, "path": expanded(place["path"])}


def _epochs(given: Sequence[Any] | None) -> list[Epoch] | None:
    if given is None:
        return None
    epochs: list[Epoch] = [plain(epoch) for epoch in given]
    if epochs != sorted(set(epochs)) or epochs[0] <= 0:
        raise InputError(
            f"checkpoints.epochs: found {epochs}, expected numbers above 0 in ascending order; "
            "give epoch 0 as the key untrained"
        )
    return epochs


def _check_fields(key: str, path: str, known: Sequence[str], *, seeds: int) -> None:
    """Raise InputError if a path is the same for several seeds, or has unknown fields."""
    try:
        fields = [field for _, field, _, _ in Formatter().parse(path) if field is not None]
        for field in fields:
            if field == "epoch" and field not in known:
                raise InputError(f"{key}: {path} has {{epoch}}; list them as checkpoints.epochs")
            if field not in known:
                raise InputError(f"{key}: {path} has {{{field}}}; {nearest(field, known)}")
        path.format(seed=0, epoch=1)
    except ValueError as error:
        raise InputError(f"{key}: {path} has other braces than {{seed}} ({error})") from None
    if "seed" not in fields and seeds > 1:
        raise InputError(
            f"{key}: {path} is the same file for each of the {seeds} seeds; write {{seed}} where "
            "their number stands, or set seeds: 1"
        )


def classes(asked: Asked | None, of_images: int) -> int:
    """The number of outputs of a network, adopted or not, given the number of classes of the
    images."""
    return (asked or {}).get("classes") or of_images


def kept(asked: Asked) -> list[Epoch]:
    """The epochs of the file of the network: 0 if untrained weights are known; a checkpoint without
    an epoch counts as 1."""
    return [*([0] if asked["untrained"] else []), *(asked["epochs"] or [1])]


def files(asked: Asked, seed: int) -> list[str]:
    """The file of each of these epochs."""
    untrained = [asked["untrained"]["path"].format(seed=seed)] if asked["untrained"] else []
    path = asked["trained"]["path"]
    return untrained + [path.format(seed=seed, epoch=epoch) for epoch in asked["epochs"] or [1]]


def check_files(name: str, asked: Asked, *, key: str = "checkpoints") -> None:
    """Raise InputError if a file of a network is missing, or is the same for several epochs without
    being a network.h5. key: the key that names them, `checkpoints` or `responses`."""
    for seed in range(asked["seeds"]):
        for which, path in _files_by_key(asked, seed, key):
            if not Path(path).is_file():
                found = "is no file" if Path(path).exists() else "there is no file"
                raise InputError(
                    f"networks.{name}.{which}: {found}, {path}, for seed {seed}; give its path, "
                    f"relative to {Path.cwd()}, or set seeds of the network to their number"
                )
        paths = files(asked, seed)[-len(asked["epochs"] or [1]) :]
        if len(set(paths)) < len(paths) and not _is_hdf5(paths[0]):
            raise InputError(
                f"networks.{name}.checkpoints: {paths[0]} is the same file for each of the "
                f"{len(paths)} epochs; write {{epoch}} where their number stands"
            )


def _files_by_key(asked: Asked, seed: int, key: str) -> Iterator[tuple[str, str]]:
    keys = ["untrained"] if asked["untrained"] else []
    keys += [key] * len(asked["epochs"] or [1])
    return zip(keys, files(asked, seed), strict=True)


def _is_hdf5(path: str) -> bool:
    try:
        with Path(path).open("rb") as file:
            return file.read(len(HDF5)) == HDF5
    except OSError:
        return True  # its job will say what is wrong with it


def settings(asked: Asked) -> Asked:
    """The settings that the network depends on, without the paths of its files."""

    places = {
        name: asked[name] and {key: asked[name][key] for key in ("key", "prefix")}
        for name in ("trained", "untrained")
    }
    return {"classes": asked["classes"], "epochs": asked["epochs"], **places}
