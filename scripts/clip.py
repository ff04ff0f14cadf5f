from latentdims import clipping
from latentdims.device import deterministic
from latentdims.workflow.job import running

with running(snakemake) as job:
    clipping.clip(
        images=snakemake.input.images,
        network=snakemake.input.network,
        covariance=snakemake.input.covariance,
        output=snakemake.output.clipping,
        bases=snakemake.params.bases,
        ranks=snakemake.params.ranks,
        rerun_images=snakemake.params.rerun_images,
        rerun_ranks=snakemake.params.rerun_ranks,
        settings=snakemake.params.settings,
        device=deterministic(job.device),
    )
