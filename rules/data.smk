rule download:
    output:
        file="resources/download/{dataset}/{file}",
    log:
        "resources/download/logs/{dataset}/{file}.log",
    cache: "omit-software"
    localrule: True
    conda:
        "../envs/latentdims.yaml"
    threads: 1
    resources:
        mem_mb=growing(200),
        runtime=growing(60),
    params:
        # Only the checksum says what is downloaded. What is asked of `output`, Snakemake takes for
        # derived from it, and does not compare.
        code=lambda wildcards, output: code("download.py"),
        md5=lambda wildcards: remote_file(wildcards).md5,
        urls=lambda wildcards, output: list(remote_file(wildcards).urls),
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
