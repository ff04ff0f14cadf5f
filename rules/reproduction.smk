rule reproduction:
    input:
        rules.summary.output.comparison,  # states what made the table
        table=rules.summary.output.table,
    output:
        svg=report(
            "<results>/figures/reproduction.svg",
            caption="../report/reproduction.rst",
            category="All data sets",
            labels={"result": "reproduction"},
        ),
        pdf="<results>/figures/reproduction.pdf",
    log:
        "<results>/logs/figures/reproduction.log",
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
