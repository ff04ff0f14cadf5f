"""Generation: how well networks do that are drawn from the covariances of a trained one."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor

from latentdims import data, networks, ranks, storage
from latentdims.data import Images, Split
from latentdims.networks import BATCH, Network, activate, initial_weights, linear, score
from latentdims.sampling import Draw, Procedure, Reference, Sampler, align
from latentdims.stack import Stack
from latentdims.training import Descent
from latentdims.workflow.job import progress

logger = logging.getLogger(__name__)

FEATURES = 5000  # images whose flattened features are multiplied at once
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
        ranks.check_sampled(own.layers, options, key=f"generation.variants.{name}")
    partners = [trained(path, seed) for seed, path in others.items()]
    reference = Reference.of(own, loaded.train.images, others=partners)
    scores: dict[str, Scores] = {}
    of_seed = f"of seed {settings['seed']}"
    reasons = {
        f"similarity/{layer}": f"{layer} {'of a draw ' if kept.any() else ''}{of_seed} is dead: "
        "zero on every training image"
        for layer, kept in reference.representations.items()
    }
    for name, options in procedures.items():
        logger.info("%s: %s", name, options)
        for classifier, found in _draws(reference, loaded, options, settings).items():
            scores["_".join(filter(None, [name, classifier]))] = found
    with storage.create(output, settings=settings, device=device) as file:
        file.attrs["classes"] = len(loaded.classes)
        trained_one = {"": own.weights[own.layers[-1].name]}
        for measure, value in measures(own, trained_one, loaded.test)[""].items():
            _write(file, f"reference_{measure}", value, reason=f"outputs {of_seed} are not finite")
        for name, found in scores.items():
            group = file
            if name != PUBLISHED:
                group = file.create_group(f"variants/{name.removeprefix(f'{PUBLISHED}_')}")
            for measure, values in found.items():
                reason = reasons.get(measure, f"outputs of a draw {of_seed} are not finite")
                _write(group, measure, np.array(values), reason=reason, dimensions=("draw",))
        for name, options in procedures.items():
            group = file if name == PUBLISHED else file[f"variants/{name}"]
            group.attrs["procedure"] = json.dumps(options, sort_keys=True)


def _draws(
    reference: Reference, loaded: Images, options: Mapping[str, Any], settings: Mapping[str, Any]
) -> dict[str, Scores]:
    """Scores of every draw of one procedure, by classifier; the aligned one has no name."""
    sampler = Sampler.of(reference, _procedure(options))
    scores: dict[str, Scores] = {}
    for number in progress(range(options["draws"]), name="draw"):
        drawn = sampler.draw(seed=settings["seed"], number=number)
        classifiers = {"": drawn.network.weights[sampler.layers[-1].name]}
        for name in options["classifiers"]:
            weight = CLASSIFIERS[name](sampler, drawn, loaded.train, settings)
            if weight is not None:
                classifiers[name] = weight
        for name, found in measures(drawn.network, classifiers, loaded.test).items():
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
) -> Tensor | None:
    """The trained classifier aligned over all flattened features, as the published code does it;
    None where that is the alignment over channels."""
    if drawn.features.ndim == 2:
        return None
    *_, kept = sampler.reference.representations.values()
    rotation, _ = align(kept, drawn.features.split(FEATURES), flattened=True)
    return sampler.classifier(rotation)


def retrained(
    sampler: Sampler, drawn: Draw, split: Split, settings: Mapping[str, Any]
) -> Tensor | None:
    """A new classifier trained on the features of the draw, in the settings of the training."""
    layers, device = drawn.network.layers, split.labels.device.type
    weights = initial_weights(layers[-1:], seed=settings["seed"], device=device)
    head = Stack.of([Network(layers[-1:], weights)])
    features = Split(drawn.features.flatten(1), split.labels)
    for _ in Descent(head, settings["training"], seeds=[settings["seed"]]).epochs(features):
        pass
    return head.network(0).weights[layers[-1].name]


CLASSIFIERS = {"flattened": flattened, "retrained": retrained}


@torch.inference_mode()
def measures(
    network: Network, classifiers: Mapping[str, Tensor], split: Split
) -> dict[str, dict[str, float]]:
    """Accuracy, loss and calibration error of a network with each of some classifiers; the last two
    tell a wrong scale."""
    *hidden, last = network.layers
    logits: dict[str, list[Tensor]] = {name: [] for name in classifiers}
    for x in split.images.split(BATCH):
        for layer in hidden:
            x = activate(layer, linear(layer, x, network.weights[layer.name]))
        for name, weight in classifiers.items():
            logits[name].append(linear(last, x, weight))
    return {name: score(torch.cat(each), split.labels) for name, each in logits.items()}


def _write(
    group: h5py.Group, name: str, values: Any, *, reason: str, dimensions: Sequence[str] = ()
) -> None:
    if name.startswith("similarity"):
        units, description = "1", "cosine with the reference, uncentred, on training images"
    elif name.endswith("loss"):
        units, description = "nats", "test cross-entropy"
    elif name.endswith("error"):
        units, description = "percent", "expected calibration error on test images, 15 bins"
    else:
        units, description = "percent", "test accuracy"
    storage.write(
        group,
        name,
        values,
        units=units,
        description=description,
        dimensions=dimensions,
        reason=reason,
    )
