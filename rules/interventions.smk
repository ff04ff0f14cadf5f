rule clip:
    input:
        images=rules.prepare.output.images,
        architecture=described,
        network=NETWORK,
        covariance=COVARIANCE,
    output:
        clipping="<results>/{dataset}/{network}/seed{seed}/clipping.h5",
    log:
        "<results>/logs/clip/{dataset}/{network}/seed{seed}.log",
    conda:
        "../envs/latentdims.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=needed(memory.clip),
        runtime=growing(60),
    params:
        code=code_with_family("clip.py"),
        options=SETTINGS["clipping"],
        settings=network_settings,
    script:
        "../scripts/clip.py"


rule generate:
    input:
        images=rules.prepare.output.images,
        architecture=described,
        network=NETWORK,
        others=of_others(NETWORK),
    output:
        generation="<results>/{dataset}/{network}/seed{seed}/generation.h5",
    log:
        "<results>/logs/generate/{dataset}/{network}/seed{seed}.log",
    priority: 1  # the longest jobs, which would run alone at the end
    conda:
        "../envs/latentdims.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=needed(
            memory.generate,
            procedures=lambda wildcards: SETTINGS["generation"],
        ),
        runtime=growing(60),
    params:
        code=code_with_family("generate.py"),
        others=other_seeds,
        procedures=SETTINGS["generation"],
        retraining=retraining,
        settings=network_settings,
    script:
        "../scripts/generate.py"
