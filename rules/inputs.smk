# Inputs of jobs: settings, seeds and files, by wildcards.


def settings_of(dataset, network):
    """What networks depend on, except for their seed and the content of checkpoints."""
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
    """The description of a user's module by a forward pass; nothing for a family."""
    brought = families.is_brought(SETTINGS["networks"][wildcards.network])
    return collect(ARCHITECTURE, **wildcards) if brought else []


def described_settings(wildcards):
    """What this description depends on."""
    settings = training_of_all_seeds(wildcards)
    found = {key: settings[key] for key in ("network", "preprocessing")}
    return found | {
        "adopted": wildcards.network in SETTINGS["adopted"],
        "classes": outputs_of(wildcards.network),
    }


def outputs_of(network):
    """Number of outputs, if they are not the classes of the data set."""
    return (SETTINGS["adopted"].get(network) or {}).get("classes")


def checkpoints_of(wildcards):
    """The user's own files of a network, one for each of its epochs."""
    return adopted.files(SETTINGS["adopted"][wildcards.network], int(wildcards.seed))


def sites_checked(wildcards):
    """Its sites as text, with their axes."""
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
    """What trained networks depend on, except for their seed and their sites."""
    settings = settings_of_all_seeds(wildcards)
    return {**settings, "network": families.as_trained(settings["network"])}


def retraining(wildcards):
    """How new classifiers are trained on draws of a network that is not trained here."""
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
    """An input function: a path with {seed}, for each of the other averaged seeds."""
    return lambda wildcards: collect(
        path, dataset=wildcards.dataset, network=wildcards.network, seed=other_seeds(wildcards)
    )


def of_seeds(path):
    """An input function: a path with {seed}, for each seed."""
    return lambda wildcards: collect(
        path,
        dataset=wildcards.dataset,
        network=wildcards.network,
        seed=seeds_of(wildcards.network),
    )
