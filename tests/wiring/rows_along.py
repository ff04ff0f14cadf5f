"""Rows of curves along training once more; see `rows`."""

import intervals_by_hand as by_hand
import learned_components
import numpy as np
import rows
from rows import COSINE, MOMENTS, POSITIVE, SHARE, SPLITS, Files, Rows, alone, key, stack

LEADING = 5


def of(files: Files) -> Rows:
    """From files of alignment that were measured whenever networks were kept."""
    if "final" not in files[0]:
        return
    epochs = files[0]["epoch"][()]
    for layer in rows.datasets(files[0]["final"]):
        for quantity, numbers, told in curves(files, layer):
            for at, found in zip(epochs, numbers, strict=True):
                yield key(f"{quantity}_by_epoch", layer=layer, at=at, **told), found


def curves(files: Files, layer: str):
    """What a layer has: quantity, its numbers at each epoch, and other columns."""
    if "similarity" in files[0][f"final/{layer}"]:
        yield from similarities(files, layer)
        yield from participation_ratios(files, layer)
    if "weight" in files[0][f"spectra/{layer}"]:
        yield from learned(files, layer)
        yield from eigenvectors(files, layer)


def similarities(files: Files, layer: str):
    for number, split in enumerate(SPLITS):
        for place, text in enumerate(files[0]["centring"]):
            told = {"split": split, "centring": text.decode()}

            def folds(group, number=number, place=place):
                """(F, E) on test images, (1, E) on those of training."""
                score = group["similarity"][:, number, place]
                if number == 0:
                    return score[None]
                parts = group["similarity_folds"][:, :, place]
                return parts + score - parts.mean(0)

            for quantity, groups in (
                ("similarity", between(files, layer)),
                ("similarity_to_final", {n: f[f"final/{layer}"] for n, f in enumerate(files)}),
            ):
                if not groups:
                    continue
                values = {of_which: folds(group) for of_which, group in groups.items()}
                if quantity == "similarity":
                    yield quantity, by_hand.curve_of_pairs(values, COSINE), told
                else:
                    yield quantity, by_hand.curve(np.array([*values.values()]), COSINE), told
                null = np.array(
                    [g["similarity_null"][:, :, number, place] for g in groups.values()]
                )
                bands = [rows.band(null[:, :, epoch], len(files)) for epoch in range(null.shape[2])]
                yield quantity, bands, {**told, "null": "unrelated"}


def between(files: Files, layer: str):
    """The groups of pairs of networks."""
    return {(r, s): files[s][f"seed{r}/{layer}"] for s in range(len(files)) for r in range(s)}


def participation_ratios(files: Files, layer: str):
    for centring, moment in MOMENTS.items():
        whole = stack(files, f"spectra/{layer}/{moment}")  # (S, E, C)
        without = stack(files, f"spectra/{layer}/{moment}_without_fold")  # (S, F, E, C)
        ratio = np.apply_along_axis(rows.participation_ratio, -1, whole)[:, None]
        parts = np.apply_along_axis(rows.participation_ratio, -1, without)
        values = ratio + (parts.shape[1] - 1) * (ratio - parts)  # jackknife
        numbers = by_hand.curve(values, (1, whole.shape[-1]))
        yield "participation_ratio", numbers, {"split": "train", "centring": centring}


def learned(files: Files, layer: str):
    sizes = files[0][f"spectra/{layer}"].attrs
    spectra = stack(files, f"spectra/{layer}/weight")  # (S, E, R)
    by_epoch = [
        learned_components.counts(spectra[:, 0], each, sizes["fan_in"], sizes["neurons"])
        for each in spectra.swapaxes(0, 1)
    ]
    for chance in by_epoch[0]:
        if chance != "initial" or len(rows.ends(files[0])) > 1:
            numbers = [alone(counts[chance].mean(), len(files)) for counts in by_epoch]
            yield f"learned_components_{chance}", numbers, {}


def eigenvectors(files: Files, layer: str):
    place = f"final/{layer}/weight"
    found = {
        "weight_cosine": (stack(files, f"{place}_cosine"), SHARE),
        "weight_span": (stack(files, f"{place}_span"), SHARE),
    }
    if len(rows.ends(files[0])) > 1:
        variances = stack(files, f"{place}_variance")  # (S, E, R)
        growth = np.sqrt(variances) / np.sqrt(variances[:, 0])[:, None]
        found["weight_amplification"] = growth, POSITIVE
    for quantity, (values, within) in found.items():
        for rank in range(min(LEADING, values.shape[2])):
            numbers = by_hand.curve(values[:, None, :, rank], within)
            yield f"{quantity}_{rank + 1}", numbers, {}
