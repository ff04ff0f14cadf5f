rule covariance:
    input:
        images=rules.prepare.output.images,
        network=rules.train.output.network,
        partners=of_partners(rules.train.output.network),
    output:
        covariance="<results>/{dataset}/{network}/seed{seed}/covariance.h5",
    log:
        "<logs>/covariance/{dataset}/{network}/seed{seed}.log",
    benchmark:
        "<benchmarks>/covariance/{dataset}/{network}/seed{seed}.tsv"
    conda:
        "../envs/latentdims.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        code=code("covariance.py"),
        partners=partner_seeds,
        settings=network_settings,
    script:
        "../scripts/covariance.py"


rule align:
    input:
        network=rules.train.output.network,
        covariance=rules.covariance.output.covariance,
        partner_networks=of_partners(rules.train.output.network),
        partner_covariances=of_partners(rules.covariance.output.covariance),
    output:
        alignment="<results>/{dataset}/{network}/seed{seed}/alignment.h5",
    log:
        "<logs>/align/{dataset}/{network}/seed{seed}.log",
    benchmark:
        "<benchmarks>/align/{dataset}/{network}/seed{seed}.tsv"
    conda:
        "../envs/latentdims.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        code=code("align.py"),
        partners=partner_seeds,
        settings=network_settings,
        vectors=SETTINGS["alignment"]["vectors"],
    script:
        "../scripts/align.py"
