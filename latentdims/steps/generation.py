"""Generation: scores of networks drawn from the covariances of a trained one."""

import copy
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from latentdims import sizes, storage
from latentdims.configuration import ranks
from latentdims.images import data
from latentdims.images.data import Images, Split
from latentdims.interventions.sampling import Draw, Procedure, Reference, Sampler, align
from latentdims.models import architecture, networks, outputs
from latentdims.models.blocks import initialise
from latentdims.models.networks import Network, Recorded, torch_generator
from latentdims.models.outputs import score
from latentdims.recipes.descent import Descent
from latentdims.recipes.stack import Stack
from latentdims.statistics import folds
from latentdims.workflow.job import progress

logger = logging.getLogger(__name__)

FEATURES = 5000  # images whose flattened features are multiplied at once
PUBLISHED = "published"  # the procedure of the configuration itself, beside its variants

# Of the test images together, or of each fold of them (F,).
Score = float | NDArray[np.float64]
Scores = dict[str, list[Score]]  # of every draw, by measure


class Drawn(NamedTuple):
    """Scores of every draw of a procedure by classifier, and why scores may be undefined."""

    scores: dict[str, Scores]
    reasons: dict[str, str]


WRITTEN = {  # units and description
    "accuracy": ("percent", "test accuracy"),
    "loss": ("nats", "test cross-entropy"),
    "calibration_error": ("percent", "expected calibration error on test images, 15 bins"),
    "similarity": ("1", "cosine with the reference, uncentred, on training images"),
}


def generate(
    *,
    images: str | Path,
    network: str | Path,
    others: Mapping[int, str | Path],
    output: str | Path,
    procedures: Mapping[str, Mapping[str, Any]],
    settings: Mapping[str, Any],
    device: str,
    retraining: Mapping[str, Any] | None = None,
) -> None:
    """Write the scores of networks drawn from the weight covariances of a trained one.

    others: further network files by seed to average covariances over. procedures: by name,
    including `published`, the keys of `generation.variants` in the configuration, and `images`: the
    number of training images that draws are aligned on and norms take statistics from; None for
    all. retraining: how new classifiers are trained; by default like the network. Raises InputError
    for an unknown layer.
    """
    with data.opened(images, preprocessing=settings["preprocessing"], device=device) as stored:
        loaded = stored.images()

        def trained(path: str | Path, seed: int) -> Network | Recorded:
            made_with = {**settings, "seed": seed}
            found = networks.load(path, settings=made_with, sha256=loaded.sha256)
            return found if isinstance(found, Recorded) else found.at(-1, device=device)

        own = trained(network, settings["seed"])
        unscored = outputs.unscored(own.architecture, len(loaded.classes))
        if isinstance(own, Recorded) or unscored or own.architecture.undrawn:
            _write_undrawn(output, own, loaded.test, unscored, settings=settings, device=device)
            return
        for name, options in procedures.items():
            ranks.check_sampled(own.architecture, options, key=f"generation.variants.{name}")
        found_others = (trained(path, seed) for seed, path in others.items())
        partners = [each for each in found_others if isinstance(each, Network)]
        samples = len(loaded.train.labels)
        aligned_on = {n: min(x["images"] or samples, samples) for n, x in procedures.items()}
        drawn: dict[str, Drawn] = {}  # by procedure
        for number in {*aligned_on.values()}:
            some = {
                name: procedures[name] for name, images in aligned_on.items() if images == number
            }
            options = {"training": retraining, **settings}
            drawn |= _drawn_on(number, loaded, own, partners, some, options)
        reference_scores = measures(own, {"": own.last.map.weight}, loaded.test)[""]
    with storage.create(output, settings=settings, device=device) as file:
        architecture.write(file, own.architecture)
        for measure, value in reference_scores.items():
            reason = f"outputs of seed {settings['seed']} are not finite"
            _write(file, f"reference_{measure}", value, reason=reason)
        for name, options in procedures.items():
            for classifier, found in drawn[name].scores.items():
                way = "_".join(filter(None, [name if name != PUBLISHED else "", classifier]))
                group = file.create_group(f"variants/{way}") if way else file
                if not classifier:
                    group.attrs["procedure"] = json.dumps(options, sort_keys=True)
                for measure, values in found.items():
                    reason = drawn[name].reasons.get(measure, drawn[name].reasons["draw"])
                    _write(group, measure, np.array(values), reason=reason, dimensions=("draw",))


def _write_undrawn(
    output: str | Path,
    own: Network | Recorded,
    test: Split,
    unscored: str,
    *,
    settings: Mapping[str, Any],
    device: str,
) -> None:
    """The file of a network that none can be drawn from: its own scores, where it has them, and the
    reason."""
    undefined = unscored or own.architecture.undrawn
    logger.warning("no networks are drawn: %s", undefined)
    if unscored or isinstance(own, Recorded):  # its outputs, if any, are not of these labels
        logits = torch.full((len(test.labels), int(test.labels.max()) + 1), torch.nan)
        logits = logits.to(test.labels.device)
    else:
        at_once = sizes.of(device).images_at_once(own.architecture)
        batches = test.images.split(at_once)
        logits = torch.cat([own.logits(batch) for batch in batches])
    found = scores(logits, test.labels)
    with storage.create(output, settings=settings, device=device) as file:
        architecture.write(file, own.architecture)
        file.attrs["undefined"] = undefined
        reason = unscored or f"outputs of seed {settings['seed']} are not finite"
        for measure, value in found.items():
            _write(file, f"reference_{measure}", value, reason=reason)


def _drawn_on(
    number: int,
    loaded: Images,
    own: Network,
    partners: Sequence[Network],
    procedures: Mapping[str, Mapping[str, Any]],
    settings: Mapping[str, Any],
) -> dict[str, Drawn]:
    """Draws of all procedures that are aligned on so many training images."""
    shown, samples = loaded.train, len(loaded.train.labels)
    if number < samples:
        shown = shown.chosen(data.some(samples, number))
    averaged = any(each["covariances"] == "averaged" for each in procedures.values())
    reference = Reference.of(own, shown.images, others=partners if averaged else [])
    on = f"{number:,} training images" if number < samples else "every training image"
    reasons = _reasons(reference, seed=settings["seed"], on=on)
    found = {}
    for name, options in procedures.items():
        logger.info("%s: %s", name, options)
        found[name] = Drawn(_draws(reference, loaded, options, settings), reasons)
    return found


def _reasons(reference: Reference, *, seed: int, on: str) -> dict[str, str]:
    """Why scores of draws may be undefined, and each similarity. on: which images, in words."""
    return {"draw": f"outputs of a draw of seed {seed} are not finite"} | {
        f"similarity/{layer}": f"{layer} {'of a draw ' if kept.any() else ''}of seed {seed} is "
        f"dead: zero on {on}"
        for layer, kept in reference.representations.items()
    }


def _draws(
    reference: Reference, loaded: Images, options: Mapping[str, Any], settings: Mapping[str, Any]
) -> dict[str, Scores]:
    """Scores of every draw of one procedure, by classifier; the aligned one has no name."""
    sampler = Sampler.of(reference, _procedure(options))
    scores: dict[str, Scores] = {}
    for number in progress(range(options["draws"]), name="draw"):
        drawn = sampler.draw(seed=settings["seed"], number=number)
        classifiers: dict[str, Tensor] = {"": drawn.network.last.map.weight}
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
        covariances=options["covariances"],
        rank=None if options["rank"] == "all" else options["rank"],
    )


def flattened(
    sampler: Sampler, drawn: Draw, split: Split, settings: Mapping[str, Any]
) -> Tensor | None:
    """The trained classifier aligned over all flattened features, as in the published code; None if
    that equals the alignment over channels."""
    if drawn.features.ndim == 2:
        return None
    *_, kept = sampler.reference.representations.values()
    rotation, _ = align(kept, drawn.features.split(FEATURES), flattened=True)
    return sampler.classifier(rotation)


def retrained(
    sampler: Sampler, drawn: Draw, split: Split, settings: Mapping[str, Any]
) -> Tensor | None:
    """A new classifier trained on the features of the draw, with the settings of training."""
    fresh = copy.deepcopy(drawn.network.last)
    initialise(fresh, torch_generator(settings["seed"], stream=0))
    seen = drawn.features  # once for all steps
    if len(seen) < len(split.labels):
        at_once = sizes.of(seen.device).images_at_once(drawn.network.architecture)
        batches = split.images.split(at_once)
        seen = torch.cat([drawn.network.features(batch) for batch in batches])
    features = Split(fresh.before(seen).flatten(1), split.labels)
    fresh.before = nn.Identity()
    head = Stack([Network(drawn.network.architecture, fresh)])
    options = {**settings["training"], "augmentation": []}
    for _ in Descent(head, options, seeds=[settings["seed"]]).steps(features):
        pass
    return head.tensors["map.weight"][0]


CLASSIFIERS = {"flattened": flattened, "retrained": retrained}


@torch.inference_mode()
def measures(
    network: Network, classifiers: Mapping[str, Tensor], split: Split
) -> dict[str, dict[str, Score]]:
    """Scores of a network with each of several classifiers, on a whole split and by fold."""
    *hidden, last = network.blocks.values()
    logits: dict[str, list[Tensor]] = {name: [] for name in classifiers}
    at_once = sizes.of(split.labels.device).images_at_once(network.architecture)
    for x in split.images.split(at_once):
        for block in hidden:
            x = block(x)
        for name, weight in classifiers.items():
            logits[name].append(last.after(last.preactivation(x, weight)))
    return {name: scores(torch.cat(each), split.labels) for name, each in logits.items()}


def scores(logits: Tensor, labels: Tensor) -> dict[str, Score]:
    """Accuracy, loss and calibration error of logits (N, classes) for labels (N,); the last two
    reveal a wrong scale. Also accuracy and loss on each fold of the images, (F,). NaN if a logit is
    not finite."""
    of_images = {
        "accuracy": 100 * (logits.argmax(1) == labels).double(),
        "loss": functional.cross_entropy(logits.double(), labels, reduction="none"),
    }
    found: dict[str, Score] = {**score(logits, labels)}
    for measure, values in of_images.items():
        by_fold = folds.means(values.cpu().numpy())
        found[f"{measure}_folds"] = by_fold + 0 * found["loss"]  # NaN where that is
    return found


def _write(
    group: h5py.Group, name: str, values: Score, *, reason: str, dimensions: Sequence[str] = ()
) -> None:
    measure = name.removeprefix("reference_").removesuffix("_folds").split("/")[0]
    units, description = WRITTEN[measure]
    by_fold = name.endswith("_folds")
    storage.write(
        group,
        name,
        values,
        units=units,
        description=f"{description}, on each fold of the images" if by_fold else description,
        dimensions=(*dimensions, "fold") if by_fold else dimensions,
        reason=reason,
    )
