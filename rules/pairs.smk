# Which networks are compared, and at which epochs.

CHOICE_OF_PAIRS = {
    "pairs": SETTINGS["alignment"]["pairs"],
    "number": SETTINGS["alignment"]["partners"],
}
PAIRS = partners.count(len(SEEDS), **CHOICE_OF_PAIRS)
# A mean of the others needs all of them.
ALL_PAIRS = len(SEEDS) > 2 and PAIRS == len(SEEDS) * (len(SEEDS) - 1) // 2

ALIGNMENT_OPTIONS = {
    "centrings": SETTINGS["alignment"]["centrings"],
    "neighbours": SETTINGS["alignment"]["neighbours"],
    "pairings": SETTINGS["alignment"]["null_pairings"],
    "vectors": SETTINGS["alignment"]["vectors"],
}


def partner_seeds(wildcards):
    """The earlier seeds that a network is compared with."""
    return partners.of(int(wildcards.seed), **CHOICE_OF_PAIRS)


def number_of_partners(wildcards):
    return len(partner_seeds(wildcards))


def measured_epochs(wildcards):
    """The number of epochs at which networks are compared."""
    kept = SETTINGS["kept"][wildcards.network]
    return len(kept if SETTINGS["alignment"]["epochs"] == "kept" else ends(kept))


def kept_epochs(wildcards):
    """The number of epochs that the file of a network has."""
    return len(SETTINGS["kept"][wildcards.network])


def null_pairings(wildcards):
    return SETTINGS["alignment"]["null_pairings"]


def of_partners(path):
    """An input function: a path with {seed}, for each of the partners."""
    return lambda wildcards: [
        path.format(dataset=wildcards.dataset, network=wildcards.network, seed=seed)
        for seed in partner_seeds(wildcards)
    ]
