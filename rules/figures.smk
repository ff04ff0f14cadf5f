rule samples:
    input:
        images=rules.prepare.output.images,
    output:
        svg=report(
            "<results>/figures/{dataset}/samples.svg",
            caption="../report/samples.rst",
            category="Data set {dataset}",
            subcategory="Images",
            labels={"figure": "samples"},
        ),
        pdf="<results>/figures/{dataset}/samples.pdf",
    log:
        "<results>/logs/figures/{dataset}/samples.log",
    localrule: True
    conda:
        "../envs/latentdims.yaml"
    threads: 1
    resources:
        mem_mb=190,
        runtime=10,
    params:
        classes=classes_shown,
        code=code("figure.py", "latentdims.figures.samples"),
        name="samples",
    script:
        "../scripts/figure.py"


rule figure:
    input:
        unpack(figure_sources),
    output:
        svg=report(
            "<results>/figures/{dataset}/{network}/{figure}.svg",
            caption="../report/figure.rst",
            category="Data set {dataset}",
            subcategory="Network {network}",
            labels=numbered,
        ),
        pdf="<results>/figures/{dataset}/{network}/{figure}.pdf",
    log:
        "<results>/logs/figures/{dataset}/{network}/{figure}.log",
    localrule: True
    conda:
        "../envs/latentdims.yaml"
    threads: 1
    resources:
        mem_mb=220,
        runtime=10,
    params:
        code=lambda wildcards: code("figure.py", f"latentdims.figures.{wildcards.figure}"),
        name="{figure}",
        pairs=lambda wildcards: pairs_of(wildcards.network),
        seeds=lambda wildcards: len(seeds_of(wildcards.network)),
    script:
        "../scripts/figure.py"
