rule align:
    input:
        images=rules.prepare.output.images,
        architecture=described,
        network=NETWORK,
        networks=of_partners(NETWORK),
        covariance=COVARIANCE,
        partners=of_partners(COVARIANCE),
    output:
        alignment="<results>/{dataset}/{network}/seed{seed}/alignment.h5",
    log:
        "<results>/logs/align/{dataset}/{network}/seed{seed}.log",
    conda:
        "../envs/latentdims.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=needed(
            memory.align,
            partners=number_of_partners,
            kept=kept_by,
            neighbours=lambda wildcards: SETTINGS["alignment"]["neighbours"],
            pairings=null_pairings,
        ),
        runtime=growing(60),
    params:
        code=code_with_family("align.py"),
        options=ALIGNMENT_OPTIONS,
        partners=partner_seeds,
        settings=network_settings,
    script:
        "../scripts/align.py"


rule consensus:
    input:
        covariances=of_seeds(COVARIANCE),
    output:
        consensus="<results>/{dataset}/{network}/consensus.h5",
    log:
        "<results>/logs/consensus/{dataset}/{network}.log",
    conda:
        "../envs/latentdims.yaml"
    threads: 1
    resources:
        mem_mb=needed(
            memory.consensus,
            seeds=lambda wildcards: len(seeds_of(wildcards.network)),
            kept=kept_by,
        ),
        runtime=growing(60),
    params:
        code=code_with_family("consensus.py"),
        settings=settings_of_all_seeds,
    script:
        "../scripts/consensus.py"
