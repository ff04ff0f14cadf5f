from latentdims.workflow import forkserver

forkserver.enter("torch")
from latentdims.device import deterministic
from latentdims.steps import comparison
from latentdims.workflow.job import running

with running(snakemake) as job:
    comparison.covariance(
        **{name: snakemake.input[name] for name in ("images", "network")},
        networks=list(snakemake.input.networks),
        output=snakemake.output.covariance,
        device=deterministic(job.device),
        **{name: snakemake.params[name] for name in ("settings", "partners", "code")},
    )
