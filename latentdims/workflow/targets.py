"""Targets that cannot be made, refused before anything runs."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from latentdims.errors import InputError
from latentdims.models import families

GENERATION = re.compile(r"(?P<network>[\w-]+)/(?:seed\d+/generation\.h5|generation\.(?:svg|pdf))$")


def check(targets: Iterable[str], networks: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise InputError if a target asks for drawn networks of a network that cannot be drawn.

    networks: their settings, by name. Among all results of a run, such a file says why it is empty.
    """
    for target in targets:
        found = GENERATION.search(target)
        if found and found["network"] in networks:
            reason = families.outline(networks[found["network"]]).undrawn
            if reason:
                raise InputError(
                    f"{target}: no networks can be drawn from {found['network']}: {reason}; "
                    "remove this target"
                )
