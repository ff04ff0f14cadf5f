# What jobs read: settings, seeds and files, by wildcards.


def settings_of(dataset, network):
    """What networks depend on besides their seed, and the content of checkpoints."""
    asked = SETTINGS["adopted"].get(network)
    made = (
        {"checkpoints": adopted.settings(asked)}
        if asked
        else {"training": SETTINGS["recipes"][network]}
    )
    return {
        "network": SETTINGS["networks"][network],
        "preprocessing": SETTINGS["preprocessing"][dataset][network],
        **made,
    }


def described(wildcards):
    """What a network of others is, where a forward pass has to find it; nothing of a family."""
    brought = families.is_brought(SETTINGS["networks"][wildcards.network])
    return collect(ARCHITECTURE, **wildcards) if brought else []


def described_settings(wildcards):
    """What that depends on."""
    settings = training_of_all_seeds(wildcards)
    found = {key: settings[key] for key in ("network", "preprocessing")}
    return found | {
        "adopted": wildcards.network in SETTINGS["adopted"],
        "classes": outputs_of(wildcards.network),
    }


def outputs_of(network):
    """Their number, where it is not that of the classes of the data set."""
    return (SETTINGS["adopted"].get(network) or {}).get("classes")


def checkpoints_of(wildcards):
    """The user's own files of a network, one for each of its epochs."""
    return adopted.files(SETTINGS["adopted"][wildcards.network], int(wildcards.seed))


def sites_checked(wildcards):
    """Its sites as text, with the axes that are given."""
    sites = families.of(SETTINGS["networks"][wildcards.network]).sites
    return " ".join(name if axis is None else f"{name}={axis}" for name, axis in sites.items())


def recipe_of(wildcards):
    return SETTINGS["recipes"][wildcards.network]


def settings_of_all_seeds(wildcards):
    return settings_of(wildcards.dataset, wildcards.network)


def network_settings(wildcards):
    """What a trained network depends on."""
    return {**settings_of_all_seeds(wildcards), "seed": int(wildcards.seed)}


def training_of_all_seeds(wildcards):
    """What trained networks depend on besides their seed: not where they are read."""
    settings = settings_of_all_seeds(wildcards)
    return {**settings, "network": families.as_trained(settings["network"])}


def retraining(wildcards):
    """How new classifiers are trained on draws, where they are, and the network was not."""
    ways = SETTINGS["generation"].values()
    asked = any("retrained" in options["classifiers"] for options in ways)
    return recipe_of(wildcards) if asked and wildcards.network in SETTINGS["adopted"] else None


def training_of(wildcards):
    return {**training_of_all_seeds(wildcards), "seed": int(wildcards.seed)}


def other_seeds(wildcards):
    """The seeds whose weight covariances are averaged with those of a network."""
    averaged = any(
        options["covariances"] == "averaged" for options in SETTINGS["generation"].values()
    )
    return [
        seed for seed in seeds_of(wildcards.network) if averaged and seed != int(wildcards.seed)
    ]


def of_others(path):
    """An input function: a path with {seed}, for each of the other seeds that are averaged."""
    return lambda wildcards: collect(
        path, dataset=wildcards.dataset, network=wildcards.network, seed=other_seeds(wildcards)
    )


def of_seeds(path):
    """An input function: a path with {seed}, for each of the seeds."""
    return lambda wildcards: collect(
        path,
        dataset=wildcards.dataset,
        network=wildcards.network,
        seed=seeds_of(wildcards.network),
    )
