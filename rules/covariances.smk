rule covariance:
    input:
        images=rules.prepare.output.images,
        network=NETWORK,
        partners=of_partners(NETWORK),
    output:
        covariance="<results>/{dataset}/{network}/seed{seed}/covariance.h5",
    log:
        "<logs>/covariance/{dataset}/{network}/seed{seed}.log",
    benchmark:
        "<logs>/covariance/{dataset}/{network}/seed{seed}.tsv"
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
