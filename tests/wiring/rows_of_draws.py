"""Rows of drawn networks once more; see `rows`."""

import json

import h5py
import intervals_by_hand as by_hand
import numpy as np
from rows import (
    COSINE,
    PERCENT,
    SCORES,
    Files,
    Rows,
    alone,
    datasets,
    each,
    each_and_mean,
    key,
    stack,
)


def of(files: Files, last: float) -> Rows:
    """Of generation.h5 of each seed."""
    named = {"split": "test", "epoch": last}
    level = 100 / json.loads(files[0].attrs["architecture"])["classes"]
    yield key("chance_accuracy", epoch=last), alone(level, len(files))
    error = stack(files, "reference_calibration_error")
    yield from each_and_mean({"quantity": "calibration_error", **named}, error, PERCENT)
    if "undefined" in files[0].attrs:
        return
    groups = {"": ""} | {f"_{name}": f"variants/{name}/" for name in datasets(files[0]["variants"])}
    for way, group in groups.items():
        null = "white" if way.startswith("_white") else ""
        ending = way.removeprefix("_white") if null else way
        yield from drawn(files, group, ending, {**named, "null": null})
        if null:
            continue
        accuracy = whole(files, f"{group}accuracy")
        floors = {"chance": np.full(len(files), level)[:, None]}
        if f"_white{way}" in groups:
            floors["white"] = whole(files, f"{groups[f'_white{way}']}accuracy")
            above = accuracy - floors["white"]
            told = {"quantity": f"generated_accuracy_above_white{way}", **named}
            yield from each_and_mean(told, above, (-100, 100))
        for name, floor in floors.items():
            told = {"quantity": f"retention_above_{name}{way}", **named}
            gained = whole(files, "reference_accuracy", draws=False) - floor
            lost = stack(files, "reference_accuracy") <= exact(files, groups, name, way, level)
            yield from retention(told, accuracy - floor, gained, lost)


def exact(files: Files, groups, name: str, way: str, level: float):
    """Accuracy (S,) of a null on all test images."""
    if name == "chance":
        return np.full(len(files), level)
    return stack_of_means(files, f"{groups[f'_white{way}']}accuracy")


def stack_of_means(files: Files, name: str):
    return np.array([file[name][()].mean() for file in files])


def whole(files: Files, name: str, *, draws: bool = True):
    """(S, F), mean over the draws, moved so that the mean over folds is that of all images."""
    folds, score = stack(files, f"{name}_folds"), stack(files, name)
    if draws:
        folds, score = folds.mean(1), score.mean(1)
    return folds - folds.mean(1, keepdims=True) + score[:, None]


def drawn(files: Files, group: str, way: str, named: dict) -> Rows:
    for measure, within in SCORES.items():
        told = {"quantity": f"generated_{measure}{way}", **named}
        yield from each_and_mean(told, whole(files, f"{group}{measure}"), within)
        yield from deviation(told, stack(files, f"{group}{measure}"))
    told = {"quantity": f"generated_calibration_error{way}", **named}
    errors = stack(files, f"{group}calibration_error")
    yield from each_and_mean(told, errors.mean(1), PERCENT)
    yield from deviation(told, errors)
    scores = files[0].get(f"{group}similarity", {})
    for layer in datasets(scores) if isinstance(scores, h5py.Group) else []:
        told = {"quantity": f"generated_similarity{way}", "layer": layer, "centring": "uncentred"}
        told = {**named, **told, "split": "train"}
        values = stack(files, f"{group}similarity/{layer}")
        yield from each_and_mean(told, values.mean(1), COSINE)
        yield from deviation(told, values)


def deviation(told: dict, draws) -> Rows:
    """Over the draws of a network, pooled."""
    if draws.shape[1] < 2:
        return
    squares = sum(((own - own.mean()) ** 2).sum() / (len(own) - 1) for own in draws)
    name = f"{told['quantity']}_deviation_over_draws"
    yield key(**{**told, "quantity": name}), alone((squares / len(draws)) ** 0.5, draws.size)


def retention(told: dict, above, gained, lost) -> Rows:
    """The ratio of means, by linearisation; nothing is retained of what a network has not."""
    single = np.where(lost, np.nan, above.mean(1) / np.where(lost, 1, gained.mean(1)))
    yield from each(told, single)
    if lost.any():
        yield key(**told), alone(np.nan, len(lost))
        return
    ratio = above.mean() / gained.mean()
    influence = (above - ratio * gained) / gained.mean()
    _, low, high, n = by_hand.networks(influence, None)
    yield key(**told), (ratio, ratio + low, ratio + high, n)
