# Comparisons of different networks (rules/members.smk).


rule compare_covariance:
    input:
        images=images_of_comparison,
        network=network_of_member,
        networks=of_compared(NETWORK),
        architecture=described_members,
    output:
        covariance=COMPARED_COVARIANCE,
    log:
        "<results>/logs/compare_covariance/{comparison}/{member}/seed{seed}.log",
    conda:
        "../envs/latentdims.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=needed_by_members(memory.compare_covariance),
        runtime=growing(60),
    params:
        code=code_of_members("compare_covariance.py"),
        partners=compared,
        settings=settings_of_member,
    script:
        "../scripts/compare_covariance.py"


rule compare_align:
    input:
        images=images_of_comparison,
        network=network_of_member,
        networks=of_compared(NETWORK),
        covariance=COMPARED_COVARIANCE,
        covariances=of_compared(COMPARED_COVARIANCE),
        architecture=described_members,
    output:
        alignment=COMPARED_ALIGNMENT,
    log:
        "<results>/logs/compare_align/{comparison}/{member}/seed{seed}.log",
    conda:
        "../envs/latentdims.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=needed_by_members(
            memory.compare_align,
            pairings=null_pairings,
        ),
        runtime=growing(60),
    params:
        code=code_of_members("compare_align.py"),
        options=ALIGNMENT_OPTIONS,
        partners=compared,
        settings=settings_of_member,
    script:
        "../scripts/compare_align.py"


rule comparison_figure:
    input:
        table=rules.summary.output.table,
        comparison=rules.summary.output.comparison,  # states what made the table
        alignment=lambda wildcards: [
            COMPARED_ALIGNMENT.format(comparison=wildcards.comparison, member=name, seed=0)
            for name in COMPARISONS[wildcards.comparison]["members"]
        ],
    output:
        svg=report(
            "<results>/figures/comparisons/{comparison}/{figure}.svg",
            caption="../report/comparison.rst",
            category="Comparisons",
            subcategory="{comparison}",
            labels={"figure": "{figure}"},
        ),
        pdf="<results>/figures/comparisons/{comparison}/{figure}.pdf",
    log:
        "<results>/logs/figures/comparisons/{comparison}/{figure}.log",
    wildcard_constraints:
        figure="|".join(catalogue.OF_COMPARISONS),
    localrule: True
    conda:
        "../envs/latentdims.yaml"
    threads: 1
    resources:
        mem_mb=220,
        runtime=10,
    params:
        code=lambda wildcards: code(
            "comparison_figure.py", f"latentdims.figures.comparisons.{wildcards.figure}"
        ),
        comparison=shown_in_figure,
        name="{figure}",
        seeds=len(SEEDS),
    script:
        "../scripts/comparison_figure.py"
