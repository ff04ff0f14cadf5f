rule download:
    output:
        file="<downloads>/{name}/{file}",
    log:
        "<downloads>/logs/{name}/{file}.log",
    cache: "omit-software"
    localrule: True
    conda:
        "../envs/latentdims.yaml"
    threads: 1
    resources:
        mem_mb=growing(200),
        runtime=growing(60),
        # Unlike parameters, addresses re-run nothing: the checksum says what the file is.
        urls=addresses,
    params:
        md5=lambda wildcards: published.files(wildcards.name)[wildcards.file],
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
        code=lambda wildcards: code(
            "prepare.py", f"latentdims.sources.{source(wildcards)['source']}"
        ),
        listing=lambda wildcards: local.listing(LOCAL_FILES[wildcards.dataset]),
        source=source,
    script:
        "../scripts/prepare.py"
