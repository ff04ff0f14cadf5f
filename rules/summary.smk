rule summary:
    input:
        network=collect(NETWORK, zip, **RUNS),
        alignment=collect(rules.align.output.alignment, zip, **RUNS),
        clipping=collect(rules.clip.output.clipping, zip, **RUNS),
        generation=collect(rules.generate.output.generation, zip, **RUNS),
        consensus=collect(rules.consensus.output.consensus, zip, **NETWORKS) if ALL_PAIRS else [],
    output:
        table="<results>/summary.csv",
        comparison="<results>/summary.md",
    log:
        "<results>/logs/summary.log",
    benchmark:
        "<results>/logs/summary.tsv"
    localrule: True
    conda:
        "../envs/latentdims.yaml"
    threads: 1
    resources:
        mem_mb=170,
        runtime=10,
    params:
        code=code("summary.py"),
        networks=list(map(list, zip(*NETWORKS.values()))),
        published=SETTINGS["published"],
        runs=list(map(list, zip(*RUNS.values()))),
    script:
        "../scripts/summary.py"


rule reproduction:
    input:
        table=rules.summary.output.table,
    output:
        svg=report(
            "<results>/figures/reproduction.svg",
            caption="../report/reproduction.rst",
            category="published",
            labels={"figure": "reproduction"},
        ),
        pdf="<results>/figures/reproduction.pdf",
    log:
        "<results>/logs/figures/reproduction.log",
    benchmark:
        "<results>/logs/figures/reproduction.tsv"
    localrule: True
    conda:
        "../envs/latentdims.yaml"
    threads: 1
    resources:
        mem_mb=170,
        runtime=10,
    params:
        code=code("figure.py", "latentdims.figures.reproduction"),
        name="reproduction",
        seeds=len(SEEDS),
    script:
        "../scripts/figure.py"
