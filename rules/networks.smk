if SETTINGS["together"]:

    rule train:
        input:
            images=rules.prepare.output.images,
            architecture=described,
        output:
            network=collect(NETWORK, seed=SEEDS, allow_missing=True),
        log:
            "<results>/logs/train/{dataset}/{network}.log",
        # Not cached: Snakemake's cache does not take several files of one job.
        wildcard_constraints:
            network=one_of(set(SETTINGS["networks"]) - set(SETTINGS["adopted"])),
        priority: 2  # what everything waits for
        conda:
            "../envs/latentdims.yaml"
        threads: 1
        resources:
            gpu=1,
            mem_mb=needed(
                memory.train,
                training=recipe_of,
                networks=lambda wildcards: len(SEEDS),
            ),
            runtime=growing(60),
        params:
            code=code_with_family("train_together.py"),
            seeds=SEEDS,
            settings=training_of_all_seeds,
            torch=storage.torch_version(),
        script:
            "../scripts/train_together.py"

else:

    rule train:
        input:
            images=rules.prepare.output.images,
            architecture=described,
        output:
            network=NETWORK,
        log:
            "<results>/logs/train/{dataset}/{network}/seed{seed}.log",
        wildcard_constraints:
            network=one_of(set(SETTINGS["networks"]) - set(SETTINGS["adopted"])),
        cache: "omit-software"
        priority: 2  # what everything waits for
        conda:
            "../envs/latentdims.yaml"
        # One thread: seeds run side by side, and results do not depend on the number of cores.
        threads: 1
        resources:
            gpu=1,
            mem_mb=needed(memory.train, training=recipe_of),
            runtime=growing(60),
        params:
            code=code_with_family("train.py"),
            settings=training_of,
            torch=storage.torch_version(),
        script:
            "../scripts/train.py"


rule adopt:
    input:
        images=rules.prepare.output.images,
        architecture=described,
    output:
        network=NETWORK,
    log:
        "<results>/logs/adopt/{dataset}/{network}/seed{seed}.log",
    wildcard_constraints:
        network=one_of(SETTINGS["adopted"]),
    cache: "omit-software"
    priority: 3  # invalid checkpoints are refused before other networks are trained
    conda:
        "../envs/latentdims.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=needed(memory.adopt, epochs=kept_epochs),
        runtime=growing(30),
        # Unlike an input, paths re-run nothing: the hashes of the content do.
        files=lambda wildcards: "\n".join(checkpoints_of(wildcards)),
    params:
        code=code_with_family("adopt.py"),
        contents=contents_of_checkpoints,
        settings=training_of,
        torch=storage.torch_version(),
    script:
        "../scripts/adopt.py"
