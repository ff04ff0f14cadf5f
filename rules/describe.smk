rule describe:
    input:
        images=rules.prepare.output.images,
    output:
        architecture=ARCHITECTURE,
    log:
        "<results>/logs/describe/{dataset}/{network}.log",
    priority: 3  # networks that cannot be measured are refused before others are trained
    conda:
        "../envs/latentdims.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
        # Unlike parameters, sites re-run nothing: the file lists all possible sites.
        sites=sites_checked,
    params:
        code=code_with_family("describe.py"),
        settings=described_settings,
        torch=storage.torch_version(),
    script:
        "../scripts/describe.py"
