# Which networks are compared, and at which epochs.

CHOICE_OF_PAIRS = {
    "pairs": SETTINGS["alignment"]["pairs"],
    "number": SETTINGS["alignment"]["partners"],
}


def pairs_of(network):
    """The number of pairs of its seeds."""
    return partners.count(len(seeds_of(network)), **CHOICE_OF_PAIRS)


def is_averaged(network):
    """Whether its networks are aligned with the mean of the others, which needs all pairs."""
    seeds = len(seeds_of(network))
    return seeds > 2 and pairs_of(network) == seeds * (seeds - 1) // 2


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


def kept_by(wildcards):
    """The epochs of a comparison: None for both ends of training, the recipe for all that it keeps,
    and a list for an adopted network."""
    kept = SETTINGS["kept"][wildcards.network]
    every = SETTINGS["alignment"]["epochs"] == "kept"
    if wildcards.network in SETTINGS["adopted"]:
        return kept if every else list(ends(kept))
    return recipe_of(wildcards) if every else None


def kept_epochs(wildcards):
    """The number of epochs in the file of an adopted network."""
    return len(SETTINGS["kept"][wildcards.network])


def null_pairings(wildcards):
    return SETTINGS["alignment"]["null_pairings"]


def of_partners(path):
    """An input function: a path with {seed}, for each partner."""
    return lambda wildcards: [
        path.format(dataset=wildcards.dataset, network=wildcards.network, seed=seed)
        for seed in partner_seeds(wildcards)
    ]
