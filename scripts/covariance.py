from latentdims import covariance
from latentdims.device import deterministic
from latentdims.workflow.job import running

with running(snakemake) as job:
    covariance.covariance(
        images=snakemake.input.images,
        network=snakemake.input.network,
        partners=dict(zip(snakemake.params.partners, snakemake.input.partners, strict=True)),
        part=snakemake.params.part,
        output=snakemake.output.covariance,
        epochs=snakemake.params.epochs,
        settings=snakemake.params.settings,
        device=deterministic(job.device),
        code=snakemake.params.code,
    )
