"""Files of networks that were never trained: random numbers under the right names, in any shape."""

import json
from pathlib import Path

import h5py
import numpy as np

from latentdims import storage
from latentdims.spectra import identified

CLASSES = 3
VARIANTS = {  # of generation, and their ranks
    "flattened": "all",
    "retrained": "all",
    "averaged_over_all_seeds_and_twice_as_wide_flattened": "all",
    "rank_1": 1,
    "rank_4": 4,
}


def files(
    folder: Path, *, layers: int, width: int, seeds: int, draws: int, dead: bool = False
) -> dict[str, list[str]]:
    """One file of each kind for each seed; dead: of seed 1, the last hidden layer."""
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
                fill(file, random, widths, seed=seed, draws=draws)
            if dead:
                _kill(path, layer=f"layer{layers}", seed=seed)
            found.setdefault(kind, []).append(str(path))
    return found


def _write(file: h5py.File, name: str, data: object) -> None:
    storage.write(file, name, data, units="1", description="made up")


def _network(file, random, widths, *, seed, draws):
    for split in storage.SPLITS:
        _write(file, f"history/{split}_accuracy", [10.0, *random.uniform(20, 100, 2)])
        _write(file, f"history/{split}_loss", [2.3, *random.uniform(0.1, 3, 2)])


def _alignment(file, random, widths, *, seed, draws):
    fan_in = 20
    for layer, neurons in widths.items():
        group = file.create_group(f"spectra/{layer}")
        group.attrs.update(fan_in=fan_in, neurons=neurons)
        for name in ("second_moment", "covariance"):
            values = np.sort(random.lognormal(0, 2, (2, neurons)))[:, ::-1]
            _write(group, name, values)
            _write(group, f"{name}_held_out", values * random.uniform(0.8, 1, values.shape))
            alone = [identified(stage, samples=100) for stage in values]
            _write(group, f"{name}_identified", alone)
        rank = min(neurons, fan_in)
        _write(group, "weight", np.sort(random.lognormal(-4, 1, (2, rank)))[:, ::-1])
        for partner in range(seed):
            pair = file.create_group(f"seed{partner}/{layer}")
            _write(pair, "similarity", random.uniform(0, 1, (2, 2, 2)))
            _write(pair, "similarity_shuffled", random.uniform(-0.1, 0.1, (2, 2, 2)))
            for kind, size in (("activation", neurons), ("weight", rank)):
                _write(pair, f"{kind}_overlap", random.uniform(0, 1, (2, *[min(size, 50)] * 2)))
                _write(pair, f"{kind}_subspace", np.sort(random.uniform(0, 1, (2, size))))
        fan_in = neurons


def _clipping(file, random, widths, *, seed, draws):
    _write(file, "reference_accuracy", random.uniform(40, 99))
    fan_in = 20
    for layer, neurons in widths.items():
        for basis in ("activation", "activation_centred", "random", "weight"):
            dimension = min(neurons, fan_in) if basis == "weight" else neurons
            if basis == "weight" or layer != "classifier":
                _write(file, f"{basis}/{layer}/rank", np.arange(1, dimension + 1))
                accuracy = np.sort(random.uniform(10, 100, dimension))
                _write(file, f"{basis}/{layer}/accuracy", accuracy)
        fan_in = neurons


def _generation(file, random, widths, *, seed, draws):
    file.attrs["classes"] = CLASSES
    file.attrs["procedure"] = json.dumps({"rank": "all"})
    _write(file, "reference_accuracy", random.uniform(40, 99))
    _write(file, "accuracy", random.uniform(10, 99, draws))
    for layer in list(widths)[:-1]:
        _write(file, f"similarity/{layer}", random.uniform(-0.2, 1, draws))
    for name, rank in VARIANTS.items():
        group = file.create_group(f"variants/{name}")
        _write(group, "accuracy", random.uniform(10, 99, draws))
        group.attrs["procedure"] = json.dumps({"rank": rank})


def _kill(path: Path, *, layer: str, seed: int) -> None:
    """What a layer leaves that is zero for every image: nothing to be aligned, no variance."""
    with h5py.File(path, "r+") as file:

        def change(name: str, item: h5py.HLObject) -> None:
            if not isinstance(item, h5py.Dataset) or layer not in name:
                return
            own = name.startswith("spectra") and seed == 1
            pair = name.startswith("seed") and (seed == 1 or name.startswith("seed1"))
            if own and "weight" not in name:
                item[...] = 0
            if (pair and "similarity" in name) or (name.startswith("similarity") and seed == 1):
                item[...] = np.nan
                item.attrs["reason"] = f"{layer} is zero for every image"

        file.visititems(change)
