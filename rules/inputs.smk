# What jobs read: settings, seeds and files, by wildcards.


def settings_of(dataset, network):
    """What trained networks depend on besides their seed."""
    return {
        "network": SETTINGS["networks"][network],
        "preprocessing": SETTINGS["datasets"][dataset]["preprocessing"],
        "training": SETTINGS["recipes"][network],
    }


def recipe_of(wildcards):
    return SETTINGS["recipes"][wildcards.network]


def settings_of_all_seeds(wildcards):
    return settings_of(wildcards.dataset, wildcards.network)


def network_settings(wildcards):
    """What a trained network depends on."""
    return {**settings_of_all_seeds(wildcards), "seed": int(wildcards.seed)}


def other_seeds(wildcards):
    """The seeds whose weight covariances are averaged with those of a network."""
    averaged = any(
        options["covariances"] == "averaged" for options in SETTINGS["generation"].values()
    )
    return [seed for seed in SEEDS if averaged and seed != int(wildcards.seed)]


def of_others(path):
    """An input function: a path with {seed}, for each of the other seeds that are averaged."""
    return lambda wildcards: collect(
        path, dataset=wildcards.dataset, network=wildcards.network, seed=other_seeds(wildcards)
    )


def of_seeds(path):
    """An input function: a path with {seed}, for each of the seeds."""
    return lambda wildcards: collect(
        path, dataset=wildcards.dataset, network=wildcards.network, seed=SEEDS
    )
