from latentdims.steps import consensus
from latentdims.workflow.job import running

with running(snakemake):
    consensus.consensus(
        covariances=snakemake.input.covariances,
        output=snakemake.output.consensus,
        settings=snakemake.params.settings,
    )
