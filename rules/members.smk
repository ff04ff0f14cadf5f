# Inputs of comparisons, by wildcards: {comparison}, {member} (a data set and a network, and an epoch if
# it is taken at one), {seed}.

COMPARISONS = SETTINGS["comparisons"]
MEMBERS = [
    {"comparison": name, "member": member, "seed": seed}
    for name, comparison in COMPARISONS.items()
    for member in comparison["members"]
    for seed in seeds_of(comparison["members"][member]["network"])
]


# In the form for latentdims/results/comparisons.py.
PAIRS_OF_MEMBERS = [
    {
        "comparison": name,
        **{key: pair[key] for key in ("partner", "own", "seeds")},
        "layers": list(pair["matches"]),
    }
    for name, comparison in COMPARISONS.items()
    for pair in comparison["pairs"]
]
FIGURES_OF_COMPARISONS = {
    name: catalogue.of_comparison(comparison, SETTINGS["networks"])
    for name, comparison in COMPARISONS.items()
}


def shown_in_figure(wildcards):
    """The content of the figures of a comparison, for latentdims/figures/comparisons/."""
    comparison = COMPARISONS[wildcards.comparison]
    return {
        "name": wildcards.comparison,
        "members": list(comparison["members"]),
        "pairs": [
            {key: pair[key] for key in ("partner", "own", "layers")}
            for pair in PAIRS_OF_MEMBERS
            if pair["comparison"] == wildcards.comparison
        ],
        "reference": comparison["reference"],
    }


def images_of_comparison(wildcards):
    return IMAGES.format(dataset=COMPARISONS[wildcards.comparison]["images"])


def member(wildcards, name=None):
    return COMPARISONS[wildcards.comparison]["members"][name or wildcards.member]


def settings_of_member(wildcards):
    return settings_of_seed(wildcards, wildcards.member, int(wildcards.seed))


def settings_of_seed(wildcards, name, seed):
    """What a member depends on."""
    found = member(wildcards, name)
    return {
        **settings_of(found["dataset"], found["network"]),
        "epoch": found["epoch"],
        "name": name,
        "positions": COMPARISONS[wildcards.comparison]["positions"],
        "seed": seed,
    }


def network_of_member(wildcards):
    return NETWORK.format(**member(wildcards), seed=wildcards.seed)


def others(wildcards):
    """The partners of a member's seed: names, seeds, and the layers that are compared."""
    own, seed = wildcards.member, int(wildcards.seed)
    return [
        (pair["partner"], theirs, pair["matches"])
        for pair in COMPARISONS[wildcards.comparison]["pairs"]
        if pair["own"] == own
        for theirs, ours in pair["seeds"]
        if ours == seed
    ]


def compared(wildcards):
    """Partners in the form for their jobs."""
    return [
        {
            "place": f"{name}/seed{seed}",
            "settings": settings_of_seed(wildcards, name, seed),
            "matches": matches,
        }
        for name, seed, matches in others(wildcards)
    ]


def of_compared(path):
    """An input function: a path of members or networks, for each partner."""

    def paths(wildcards):
        found = []
        for name, seed, _ in others(wildcards):
            of = member(wildcards, name)
            names = {"comparison": wildcards.comparison, "member": name, "seed": seed}
            found.append(path.format(**of, **names))
        return found

    return paths


def members_of_job(wildcards):
    """The member and its partners, by name."""
    names = dict.fromkeys([wildcards.member, *(name for name, *_ in others(wildcards))])
    return [member(wildcards, name) for name in names]


def described_members(wildcards):
    """Descriptions of users' modules by forward passes."""
    return [
        ARCHITECTURE.format(**of)
        for of in members_of_job(wildcards)
        if families.is_brought(SETTINGS["networks"][of["network"]])
    ]


def code_of_members(script):
    """Fingerprint of a script with the families of all networks that its job builds."""

    def found(wildcards):
        networks = [SETTINGS["networks"][of["network"]] for of in members_of_job(wildcards)]
        modules = dict.fromkeys(name for each in networks for name in families.modules(each))
        return code(script, *modules)

    return found


def needed_by_members(estimate, **options):
    """Memory in MB for a member and its partners, estimated by latentdims/workflow/memory.py."""

    def amount(wildcards, input, attempt):
        modified = Path(input.images).stat().st_mtime_ns
        files = iter(input.get("architecture", []))
        found = []
        for of in members_of_job(wildcards):
            brought = families.is_brought(SETTINGS["networks"][of["network"]])
            described = [next(files)] if brought else []
            found.append(shapes(input.images, modified, of["network"], of["dataset"], *described))
        given = {name: option(wildcards) for name, option in options.items()}
        partners = len(others(wildcards))
        if not all(found):
            return declared(memory.UNKNOWN, attempt)
        return declared(estimate(found, partners=partners, **given), attempt)

    return amount
