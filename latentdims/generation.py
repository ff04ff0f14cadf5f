"""Generation: how well networks do that are drawn from the covariances of a trained one."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from latentdims import architectures, data, networks, storage
from latentdims.data import Images, Split
from latentdims.job import progress
from latentdims.networks import Network, calibration_error, evaluate, initial_weights
from latentdims.sampling import Draw, Procedure, Reference, Sampler, align
from latentdims.stack import Stack
from latentdims.training import Descent

logger = logging.getLogger(__name__)

PUBLISHED = "published"  # the procedure of the configuration itself, beside its variants

Scores = dict[str, list[float]]  # of every draw, by measure


def generate(
    *,
    images: str | Path,
    network: str | Path,
    others: Mapping[int, str | Path],
    output: str | Path,
    procedures: Mapping[str, Mapping[str, Any]],
    settings: Mapping[str, Any],
    device: str,
) -> None:
    """Write how networks do that are drawn from the weight covariances of a trained one.

    others: network files by seed, which covariances are averaged over besides this one. procedures:
    by name, `published` among them, the keys of `generation.variants` in the configuration. Raises
    InputError for a layer that the network does not have.
    """
    loaded = data.load(images, preprocessing=settings["preprocessing"], device=device)

    def trained(path: str | Path, seed: int) -> Network:
        made_with = {**settings, "seed": seed}
        return networks.load(path, settings=made_with, images=loaded.sha256).at(-1, device=device)

    own = trained(network, settings["seed"])
    for name, options in procedures.items():
        architectures.check_sampled(own.layers, options, key=f"generation.variants.{name}")
    partners = [trained(path, seed) for seed, path in others.items()]
    reference = Reference.of(own, loaded.train.images, others=partners)
    scores: dict[str, Scores] = {}
    for name, options in procedures.items():
        logger.info("%s: %s", name, options)
        for classifier, found in _draws(reference, loaded, options, settings).items():
            scores["_".join(filter(None, [name, classifier]))] = found
    with storage.create(output, settings=settings, device=device) as file:
        file.attrs["classes"] = len(loaded.classes)
        for measure, value in measures(own, loaded.test).items():
            _write(file, f"reference_{measure}", value)
        for name, found in scores.items():
            group = file
            if name != PUBLISHED:
                group = file.create_group(f"variants/{name.removeprefix(f'{PUBLISHED}_')}")
            for measure, values in found.items():
                _write(group, measure, np.array(values), dimensions=("draw",))
        for name, options in procedures.items():
            group = file if name == PUBLISHED else file[f"variants/{name}"]
            group.attrs["procedure"] = json.dumps(options, sort_keys=True)


def _draws(
    reference: Reference, loaded: Images, options: Mapping[str, Any], settings: Mapping[str, Any]
) -> dict[str, Scores]:
    """Scores of every draw of one procedure, by classifier; the aligned one has no name."""
    sampler = Sampler.of(reference, _procedure(options))
    scores: dict[str, Scores] = {}
    for number in progress(range(options["draws"]), name="draws"):
        drawn = sampler.draw(seed=settings["seed"], number=number)
        drawn_networks = {"": drawn.network}
        for classifier in options["classifiers"]:
            other = CLASSIFIERS[classifier](sampler, drawn, loaded.train, settings)
            if other:
                drawn_networks[classifier] = other
        for name, network in drawn_networks.items():
            found = measures(network, loaded.test)
            if not name:
                found |= {f"similarity/{layer}": s for layer, s in drawn.similarity.items()}
            for measure, value in found.items():
                scores.setdefault(name, {}).setdefault(measure, []).append(value)
        accuracy = scores[""]["accuracy"][-1]
        logger.info("draw %d of %d: accuracy %.2f %%", number + 1, options["draws"], accuracy)
    return scores


def _procedure(options: Mapping[str, Any]) -> Procedure:
    return Procedure(
        layers=None if options["layers"] == "all" else options["layers"],
        width=options["width"],
        averaged=options["covariances"] == "averaged",
        rank=None if options["rank"] == "all" else options["rank"],
    )


def flattened(
    sampler: Sampler, drawn: Draw, split: Split, settings: Mapping[str, Any]
) -> Network | None:
    """The trained classifier aligned over all flattened features, as the published code does it;
    None where that is the alignment over channels."""
    if drawn.features.ndim == 2:
        return None
    *_, kept = sampler.reference.representations.values()
    rotation, _ = align(kept, drawn.features, flattened=True)
    return sampler.complete(drawn.network.weights, rotation)


def retrained(
    sampler: Sampler, drawn: Draw, split: Split, settings: Mapping[str, Any]
) -> Network | None:
    """A new classifier trained on the features of the draw, in the settings of the training."""
    layers, device = drawn.network.layers, split.labels.device.type
    weights = initial_weights(layers[-1:], seed=settings["seed"], device=device)
    head = Stack.of([Network(layers[-1:], weights)])
    features = Split(drawn.features.flatten(1), split.labels)
    for _ in Descent(head, settings["training"], seeds=[settings["seed"]]).epochs(features):
        pass
    return Network(layers, {**drawn.network.weights, **head.network(0).weights})


CLASSIFIERS = {"flattened": flattened, "retrained": retrained}


def measures(network: Network, split: Split) -> dict[str, float]:
    """Accuracy, loss and calibration error of a network; the last two tell a wrong scale."""
    loss, accuracy = evaluate(network, split)
    error = calibration_error(network, split)
    return {"accuracy": accuracy, "loss": loss, "calibration_error": error}


def _write(group: h5py.Group, name: str, values: Any, *, dimensions: Sequence[str] = ()) -> None:
    if name.startswith("similarity"):
        units, description = "1", "cosine with the reference, uncentred, on training images"
    elif name.endswith("loss"):
        units, description = "nats", "test cross-entropy"
    elif name.endswith("error"):
        units, description = "percent", "expected calibration error on test images, 15 bins"
    else:
        units, description = "percent", "test accuracy"
    storage.write(group, name, values, units=units, description=description, dimensions=dimensions)
