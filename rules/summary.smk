rule summary:
    input:
        images=collect(IMAGES, dataset=dict.fromkeys(NETWORKS["dataset"])),
        network=collect(NETWORK, zip, **RUNS),
        alignment=collect(ALIGNMENT, zip, **RUNS),
        clipping=collect(CLIPPING, zip, **RUNS),
        generation=collect(GENERATION, zip, **RUNS),
        compared=[COMPARED_ALIGNMENT.format(**member) for member in MEMBERS],
        consensus=[
            CONSENSUS.format(dataset=dataset, network=network)
            for dataset, network in SETTINGS["runs"]
            if is_averaged(network)
        ],
    output:
        table=report(
            "<results>/summary.csv",
            caption="../report/summary.rst",
            category="All data sets",
            labels={"result": "every number (CSV)"},
        ),
        comparison="<results>/summary.md",
        overview=report(
            "<results>/overview.html",
            caption="../report/overview.rst",
            category="All data sets",
            labels={"result": "overview"},
        ),
    log:
        "<results>/logs/summary.log",
    localrule: True
    conda:
        "../envs/latentdims.yaml"
    threads: 1
    resources:
        mem_mb=170,
        runtime=10,
    params:
        averaged=[list(run) for run in SETTINGS["runs"] if is_averaged(run[1])],
        code=code("summary.py"),
        comparisons=PAIRS_OF_MEMBERS,
        members=[list(member.values()) for member in MEMBERS],
        networks=list(map(list, zip(*NETWORKS.values()))),
        published=SETTINGS["published"],
        runs=list(map(list, zip(*RUNS.values()))),
    script:
        "../scripts/summary.py"
