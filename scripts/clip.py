from latentdims.workflow import forkserver

forkserver.enter("torch")
from latentdims.device import deterministic
from latentdims.steps import clipping
from latentdims.workflow.job import running

with running(snakemake) as job:
    clipping.clip(
        images=snakemake.input.images,
        network=snakemake.input.network,
        covariance=snakemake.input.covariance,
        output=snakemake.output.clipping,
        **snakemake.params.options,
        settings=snakemake.params.settings,
        device=deterministic(job.device),
    )
