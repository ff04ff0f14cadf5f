"""Files of networks that were never trained: random numbers under the right names, in any shape."""

import dataclasses
import json
from pathlib import Path

import h5py
import numpy as np

from latentdims import storage
from latentdims.models import architecture
from latentdims.models.architecture import Architecture

CLASSES = 3
VARIANTS = {  # of generation, and their ranks
    "flattened": "all",
    "retrained": "all",
    "averaged_over_all_seeds_and_twice_as_wide_flattened": "all",
    "rank_1": 1,
    "rank_4": 4,
}


def files(
    folder: Path, *, layers: int, width: int, seeds: int, draws: int, dead: int = 0
) -> dict[str, list[str]]:
    """One file of each kind for each seed; dead: of seed 1, so many of the last hidden layers."""
    random = np.random.default_rng([layers, width, seeds, draws])
    widths = {f"layer{n + 1}": width for n in range(layers)} | {"classifier": CLASSES}
    found: dict[str, list[str]] = {}
    for seed in range(seeds):
        for kind, fill in (
            ("network", _network),
            ("alignment", _alignment),
            ("clipping", _clipping),
            ("generation", _generation),
        ):
            path = folder / f"{kind}{seed}.h5"
            with storage.create(path, settings={"seed": seed}) as file:
                architecture.write(file, described(widths))
                fill(file, random, widths, seed=seed, draws=draws)
            for layer in range(layers, layers - dead, -1):
                _kill(path, layer=f"layer{layer}", seed=seed)
            found.setdefault(kind, []).append(str(path))
    return found


def described(widths: dict[str, int], *, fan_in: int = 20) -> Architecture:
    """A multilayer perceptron of images of some inputs, by the neurons of its layers."""
    shapes = [(width,) for width in widths.values()]
    return architecture.chain((1, 1, fan_in), shapes, taps=[fan_in, *(1 for _ in shapes[1:])])


def write(group: h5py.Group, name: str, data: object, *axes: str) -> None:
    """A dataset with axes by name."""
    storage.write(group, name, data, units="1", description="made up", dimensions=axes)


def axes(file: h5py.File) -> None:
    """Those of an alignment, at two epochs."""
    storage.axis(file, "epoch", [0.0, 2.0], units="epochs")
    storage.axis(file, "split", storage.SPLITS)
    storage.axis(file, "centring", ["uncentred", "centred"])


FOLDS, PAIRINGS = 4, 5


def _network(file, random, widths, *, seed, draws):
    storage.axis(file, "epoch", [0.0, 2.0], units="epochs")
    storage.axis(file.create_group("history"), "epoch", [0.0, 1.0, 2.0], units="epochs")
    for what, low, high in (("accuracy", 20, 100), ("loss", 0.1, 3)):
        for split in storage.SPLITS:
            write(file, f"history/{split}_{what}", random.uniform(low, high, 3), "epoch")
        folds = random.uniform(low, high, (FOLDS, 3))
        write(file, f"history/folds/test_{what}", folds, "fold", "epoch")
    own = np.random.default_rng([seed, *widths.values()])  # leaves the numbers above as they are
    fan_in = 20
    for layer, neurons in widths.items():
        weights = own.normal(0, 1, (2, neurons, fan_in))
        write(file, f"weights/{layer}", weights, "epoch", "neuron", "input")
        fan_in = neurons


def _alignment(file, random, widths, *, seed, draws):
    axes(file)
    fan_in = 20
    for layer, neurons in widths.items():
        group = file.create_group(f"spectra/{layer}")
        group.attrs.update(fan_in=fan_in, neurons=neurons)
        for name in ("second_moment", "covariance"):
            values = np.sort(random.lognormal(0, 2, (2, neurons)))[:, ::-1]
            write(group, name, values, "epoch", "rank")
            fresh = values * random.uniform(0.8, 1, values.shape)
            write(group, f"{name}_held_out", fresh, "epoch", "rank")
            parts = values * random.uniform(0.97, 1.03, (FOLDS, *values.shape))
            write(group, f"{name}_without_fold", parts, "fold", "epoch", "rank")
            alone = random.uniform(size=values.shape) < 0.7
            write(group, f"{name}_identified", alone, "epoch", "rank")
        rank = min(neurons, fan_in)
        weights = np.sort(random.lognormal(-4, 1, (2, rank)))[:, ::-1]
        write(group, "weight", weights, "epoch", "weight_rank")
        for partner in range(seed):
            pair = file.create_group(f"seed{partner}/{layer}")
            _pair(pair, random, {"activation": neurons, "weight": rank})
            if layer == next(iter(widths)):
                _unrotated(pair, fan_in)
        own = np.random.default_rng(
            [seed, len(layer), fan_in]
        )  # leaves the numbers above as they are
        _final(file.create_group(f"final/{layer}"), own, neurons, rank)
        fan_in = neurons


def _pair(group, random, sizes):
    for score, places in (("similarity", ("split", "centring")), ("cka", ("split",))):
        for name in (score, "cca") if score == "cka" else (score,):
            shape = (2,) * len(places)
            write(group, name, random.uniform(0, 1, (2, *shape)), "epoch", *places)
            folds = random.uniform(0, 1, (FOLDS, 2, *shape[1:]))
            write(group, f"{name}_folds", folds, "fold", "epoch", *places[1:])
            null = random.uniform(-0.1, 0.1, (PAIRINGS, 2, *shape))
            write(group, f"{name}_null", null, "pairing", "epoch", *places)
    write(group, "mutual_neighbours", random.uniform(0, 1, 2), "epoch")
    write(group, "mutual_neighbours_folds", random.uniform(0, 1, (FOLDS, 2)), "fold", "epoch")
    null = random.uniform(0, 0.1, (PAIRINGS, 2))
    write(group, "mutual_neighbours_null", null, "pairing", "epoch")
    for kind, size in sizes.items():
        shown = (2, *[min(size, 50)] * 2)
        of = "weight_" if kind == "weight" else ""
        vectors = ("epoch", f"{of}vector_partner", f"{of}vector")
        write(group, f"{kind}_overlap", random.uniform(0, 1, shown), *vectors)
        write(group, f"{kind}_overlap_null", random.uniform(0, 0.6, shown), *vectors)
        shares = np.sort(random.uniform(0, 1, (2, size)))
        write(group, f"{kind}_subspace", shares, "epoch", f"{of}k")
        null = np.sort(random.uniform(0, 0.5, (PAIRINGS, 2, size)))
        write(group, f"{kind}_subspace_null", null, "pairing", "epoch", f"{of}k")


def _final(group, random, neurons, rank):
    """What a network shares with itself at its last epoch."""
    _pair(group, random, {"activation": neurons, "weight": rank})
    for name, axis in (("variance", "rank"), ("cosine", "rank"), ("span", "k")):
        values = random.uniform(0.1, 1, (2, rank))
        write(group, f"weight_{name}", values, "epoch", f"weight_{axis}")


def _unrotated(group, dimension):
    """The null of weights that read images: the same in every pairing."""
    null = group["weight_subspace_null"]
    null[...] = np.arange(1, null.shape[-1] + 1) / dimension
    group["weight_overlap_null"][...] = 1.96 / np.sqrt(dimension)


def _clipping(file, random, widths, *, seed, draws):
    write(file, "reference_accuracy", random.uniform(40, 99))
    write(file, "reference_accuracy_folds", random.uniform(40, 99, FOLDS), "fold")
    fan_in = 20
    for layer, neurons in widths.items():
        for basis in ("activation", "activation_centred", "random", "weight"):
            dimension = min(neurons, fan_in) if basis == "weight" else neurons
            if basis == "weight" or layer != "classifier":
                group = file.create_group(f"{basis}/{layer}")
                storage.axis(group, "rank", np.arange(1, dimension + 1))
                accuracy = np.sort(random.uniform(10, 100, dimension))
                write(group, "accuracy", accuracy, "rank")
                folds = accuracy + random.uniform(-1, 1, (FOLDS, dimension))
                write(group, "accuracy_folds", folds, "fold", "rank")
        fan_in = neurons


def _generation(file, random, widths, *, seed, draws):
    for measure in ("accuracy", "loss"):
        write(file, f"reference_{measure}", random.uniform(40, 99))
        write(file, f"reference_{measure}_folds", random.uniform(40, 99, FOLDS), "fold")
    write(file, "reference_calibration_error", random.uniform(1, 9))
    for name, rank in {"": "all", **VARIANTS, "white": "all", "white_flattened": "all"}.items():
        group = file.require_group(f"variants/{name}") if name else file
        group.attrs["procedure"] = json.dumps({"rank": rank})
        for measure in ("accuracy", "loss", "calibration_error"):
            write(group, measure, random.uniform(10, 99, draws), "draw")
        for measure in ("accuracy", "loss"):
            folds = random.uniform(10, 99, (draws, FOLDS))
            write(group, f"{measure}_folds", folds, "draw", "fold")
        if not name:
            for layer in list(widths)[:-1]:
                write(file, f"similarity/{layer}", random.uniform(-0.2, 1, draws), "draw")


def _kill(path: Path, *, layer: str, seed: int) -> None:
    """What a layer leaves that is zero for every image: nothing to be aligned, no variance."""
    with h5py.File(path, "r+") as file:

        def change(name: str, item: h5py.HLObject) -> None:
            if not isinstance(item, h5py.Dataset) or storage.is_axis(item) or layer not in name:
                return
            own = name.startswith("spectra") and seed == 1
            pair = name.startswith("seed") and (seed == 1 or name.startswith("seed1"))
            pair |= name.startswith("final") and seed == 1
            if own and "weight" not in name:
                item[...] = 0
            scores = any(score in name for score in ("similarity", "cka", "cca", "mutual"))
            if (pair and scores) or (name.startswith("similarity") and seed == 1):
                item[...] = np.nan
                item.attrs["reason"] = f"{layer} is zero for every image"

        file.visititems(change)


def keep_one(path: str, layer: str, *, of: str) -> None:
    """Of a layer, its site or its weight alone; the other is gone from the file."""
    with h5py.File(path, "r+") as file:
        network = architecture.read(file)
        gone = "weights" if of == "site" else "sites"
        kept = tuple(each for each in getattr(network, gone) if each.name != layer)
        architecture.write(file, dataclasses.replace(network, **{gone: kept}))
        for place in file:
            if not place.startswith(("spectra", "seed", "final")):
                if f"{place}/{layer}" in file and (place == "weight") == (gone == "weights"):
                    del file[f"{place}/{layer}"]
            elif layer in file[place]:
                group = file[f"{place}/{layer}"]
                for name in [*group.attrs] * (gone == "weights"):
                    del group.attrs[name]
                for name in list(group):
                    if name.startswith("weight") == (gone == "weights"):
                        del group[name]


def add_epoch_between(path: str) -> None:
    """Another epoch between the two of a file, at which every number is something else."""
    old = Path(path).rename(f"{path}.two")
    with h5py.File(old) as two, h5py.File(path, "w") as three:
        three.attrs.update(two.attrs)

        def copy(name: str, item: h5py.HLObject) -> None:
            if isinstance(item, h5py.Group):
                three.require_group(name).attrs.update(item.attrs)
            elif not storage.is_axis(item):
                axes = [next(iter(axis.keys()), "") for axis in item.dims]
                values = item[()]
                if "epoch" in axes and not name.startswith("history"):
                    axis = axes.index("epoch")
                    other = values.take(0, axis) == 0 if values.dtype == bool else 0.3
                    values = np.insert(values, 1, other, axis=axis)
                storage.write(three, name, values, units="1", description="", dimensions=axes)

        storage.axis(three, "epoch", [0.0, 1.0, 2.0])
        for name in ("split", "centring"):
            if name in two:
                storage.axis(three, name, list(two[name].asstr()[()]))
        two.visititems(copy)
