rule train:
    input:
        images=rules.prepare.output.images,
    output:
        network="<results>/{dataset}/{network}/seed{seed}/network.h5",
    log:
        "<logs>/train/{dataset}/{network}/seed{seed}.log",
    cache: "omit-software"
    conda:
        "../envs/latentdims.yaml"
    # One thread: seeds run side by side, and results do not depend on the number of cores.
    threads: 1
    resources:
        gpu=1,
        mem_mb=needed(memory.train),
        runtime=growing(60),
    params:
        code=code("train.py"),
        settings=network_settings,
        torch=storage.torch_version(),
    script:
        "../scripts/train.py"
