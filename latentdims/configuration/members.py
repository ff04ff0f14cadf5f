"""Members of comparisons: their names, and what is known about them in advance."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from latentdims.errors import InputError, nearest
from latentdims.images import datasets
from latentdims.models import families, responses
from latentdims.models.epochs import ends

TEXT = re.compile(r"(?:(?P<dataset>[\w-]+)/)?(?P<network>[\w-]+)(?:@(?P<epoch>[\d.]+))?")


class Member(NamedTuple):
    """A network trained on a data set, before and after training, or at one epoch."""

    dataset: str
    network: str
    epoch: float | None

    @property
    def name(self) -> str:
        """Its name in files and paths."""
        at = "" if self.epoch is None else f"@{self.epoch:g}"
        return f"{self.dataset}/{self.network}{at}"


def named(text: str, images: str, resolved: Mapping[str, Any]) -> Member:
    """The member with a name. Raises InputError if there is none."""
    found = TEXT.fullmatch(text)
    if not found:
        raise InputError(
            f"members: found '{text}', expected NETWORK, DATASET/NETWORK or either@EPOCH"
        )
    network = found["network"]
    runs = [dataset for dataset, of in resolved["runs"] if of == network]
    if network not in resolved["networks"]:
        raise InputError(
            f"members: no network '{network}'; {nearest(network, resolved['networks'])}"
        )
    dataset = found["dataset"] or (images if images in runs else None)
    if dataset is None and len(runs) > 1:
        raise InputError(
            f"members: {network} is run with {', '.join(runs)}; name one of them, such as "
            f"{runs[0]}/{network}"
        )
    dataset = dataset or runs[0]
    if dataset not in runs:
        raise InputError(
            f"members: {network} is not run with the data set '{dataset}'; {nearest(dataset, runs)}"
        )
    made = Member(dataset, network, float(found["epoch"]) if found["epoch"] else None)
    _check_epoch(made, resolved)
    return made


def _check_epoch(member: Member, resolved: Mapping[str, Any]) -> None:
    """Raise InputError if the requested epoch of a network is not kept. Steps within an epoch are
    not known yet."""
    network, kept = member.network, resolved["kept"][member.network]
    if member.epoch is None or member.epoch % 1 or member.epoch in kept:
        return
    if network not in resolved["adopted"] and resolved["recipes"][network]["keep_steps"]:
        return
    add = "" if network in resolved["adopted"] else ", or add it to training.keep_epochs"
    raise InputError(
        f"members: {network} is not kept at epoch {member.epoch:g}, but at "
        f"{', '.join(f'{each:g}' for each in kept)}; name one of them{add}"
    )


def has_start(member: Member, resolved: Mapping[str, Any]) -> bool:
    """Whether it is known before training, and not taken at one epoch alone."""
    return member.epoch is None and len(ends(resolved["kept"][member.network])) > 1


def check_images(member: Member, images: str, resolved: Mapping[str, Any]) -> None:
    """Raise InputError if a network cannot see the images, as far as that is known now."""
    network = resolved["networks"][member.network]
    if responses.are_given(network) and member.dataset != images:
        raise InputError(
            f"images: {member.name} are responses to images of {member.dataset}, and not to those "
            f"of {images}; name {member.dataset}"
        )
    shapes = [datasets.image_shape(resolved["datasets"][each]) for each in (member.dataset, images)]
    if not all(shapes):
        return
    own, shown = (shape[0][1:] for shape in shapes if shape)
    if own != shown:
        raise InputError(
            f"images: {member.name} sees {own[0]} x {own[1]} pixels, but images of {images} have "
            f"{shown[0]} x {shown[1]}; name another data set, or resize one"
        )


def positions(member: Member, images: str, resolved: Mapping[str, Any]) -> dict[str, int]:
    """Number of positions in one image, by site, as far as it is known now."""
    network = resolved["networks"][member.network]
    known = datasets.image_shape(resolved["datasets"][images])
    if responses.are_given(network):
        found = families.outline(network)
    elif known is None or families.is_brought(network):
        return {}
    else:
        found = families.described(network, image_shape=known[0], classes=known[1])
    return {site.name: site.positions for site in found.sites}
