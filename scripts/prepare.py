from latentdims import data
from latentdims.workflow.job import running

with running(snakemake):
    data.prepare(
        output=snakemake.output.images,
        source=snakemake.params.source,
        files=list(snakemake.input.files),
    )
