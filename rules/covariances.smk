PART = "<results>/{dataset}/{network}/seed{seed}/covariance_part{part}.h5"
NAME = "seed{seed}" if PARTS == 1 else "seed{seed}_part{part}"


rule covariance:
    input:
        images=rules.prepare.output.images,
        architecture=described,
        network=NETWORK,
        partners=of_partners(NETWORK),
    output:
        covariance=COVARIANCE if PARTS == 1 else temp(PART),
    log:
        f"<results>/logs/covariance/{{dataset}}/{{network}}/{NAME}.log",
    conda:
        "../envs/latentdims.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=needed(memory.covariance, partners=number_of_partners, kept=kept_by),
        runtime=growing(60),
    params:
        code=code_with_family("covariance.py"),
        epochs=SETTINGS["alignment"]["epochs"],
        part=lambda wildcards: [int(wildcards.part), PARTS] if PARTS > 1 else None,
        partners=partner_seeds,
        settings=network_settings,
    script:
        "../scripts/covariance.py"


if PARTS > 1:

    rule merge:
        input:
            network=NETWORK,
            architecture=described,
            # Stated alone, since parts are gone afterwards.
            images=rules.prepare.output.images,
            partners=of_partners(NETWORK),
            parts=lambda wildcards: collect(PART, **wildcards, part=range(PARTS)),
        output:
            covariance=COVARIANCE,
        log:
            "<results>/logs/merge/{dataset}/{network}/seed{seed}.log",
        conda:
            "../envs/latentdims.yaml"
        threads: 1
        resources:
            mem_mb=needed(memory.covariance, partners=number_of_partners, kept=kept_by),
            runtime=growing(30),
        params:
            code=code_with_family("merge.py"),
            epochs=SETTINGS["alignment"]["epochs"],
            partners=partner_seeds,
            settings=network_settings,
        script:
            "../scripts/merge.py"
