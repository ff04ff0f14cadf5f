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
        # Unlike parameters, URLs re-run nothing: the checksum identifies the file.
        urls=addresses,
    params:
        md5=lambda wildcards: checksums.files(wildcards.name)[wildcards.file],
    script:
        "../scripts/download.py"


rule prepare:
    input:
        files=published_files,
    output:
        images=IMAGES,
    log:
        "<results>/logs/prepare/{dataset}.log",
    cache: "omit-software"
    conda:
        "../envs/latentdims.yaml"
    threads: 1
    resources:
        mem_mb=to_prepare,
        runtime=growing(30),
        # Unlike an input, a path re-runs nothing: the hash of the content does.
        path=path_of_source,
    params:
        code=code_of_source,
        source=source,
    script:
        "../scripts/prepare.py"
