from latentdims.workflow import forkserver

forkserver.enter("torch")
from latentdims.device import deterministic
from latentdims.steps import comparison
from latentdims.workflow.job import running

with running(snakemake) as job:
    comparison.align(
        **{name: snakemake.input[name] for name in ("images", "network", "covariance")},
        networks=list(snakemake.input.networks),
        covariances=list(snakemake.input.covariances),
        partners=snakemake.params.partners,
        output=snakemake.output.alignment,
        device=deterministic(job.device),
        settings=snakemake.params.settings,
        **snakemake.params.options,
    )
