rule download:
    output:
        file="<downloads>/{dataset}/{file}",
    log:
        "<downloads>/logs/{dataset}/{file}.log",
    cache: "omit-software"
    localrule: True
    conda:
        "../envs/latentdims.yaml"
    threads: 1
    resources:
        mem_mb=growing(200),
        runtime=growing(60),
    params:
        code=code("download.py"),
        md5=lambda wildcards: remote_file(wildcards).md5,
        urls=lambda wildcards: list(remote_file(wildcards).urls),
    script:
        "../scripts/download.py"


rule prepare:
    input:
        files=source_files,
    output:
        images="<results>/resources/{dataset}.h5",
    log:
        "<results>/logs/prepare/{dataset}.log",
    cache: "omit-software"
    conda:
        "../envs/latentdims.yaml"
    threads: 1
    resources:
        mem_mb=to_prepare,
        runtime=growing(30),
    params:
        code=code("prepare.py"),
        listing=lambda wildcards: local.listing(LOCAL_FILES[wildcards.dataset]),
        source=source,
    script:
        "../scripts/prepare.py"
