from latentdims.steps.prepare import prepare
from latentdims.workflow.job import running

with running(snakemake):
    prepare(
        output=snakemake.output.images,
        source=snakemake.params.source,
        cores=snakemake.threads,
        files=list(snakemake.input.files) or [snakemake.resources.path],
    )
