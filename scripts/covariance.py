from latentdims.workflow import forkserver

forkserver.enter("torch")
from latentdims.device import deterministic
from latentdims.steps import covariance
from latentdims.workflow.job import running

with running(snakemake) as job:
    covariance.covariance(
        images=snakemake.input.images,
        network=snakemake.input.network,
        partners=dict(zip(snakemake.params.partners, snakemake.input.partners, strict=True)),
        output=snakemake.output.covariance,
        device=deterministic(job.device),
        **{name: snakemake.params[name] for name in ("settings", "epochs", "part", "code")},
    )
