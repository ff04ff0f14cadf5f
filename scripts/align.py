from latentdims.workflow import forkserver

forkserver.enter("torch")
from latentdims.device import deterministic
from latentdims.steps import alignment
from latentdims.workflow.job import running

with running(snakemake) as job:
    partners, files = snakemake.params.partners, snakemake.input
    alignment.align(
        **{name: files[name] for name in ("images", "network", "covariance")},
        networks=dict(zip(partners, files.networks, strict=True)),
        partners=dict(zip(partners, files.partners, strict=True)),
        output=snakemake.output.alignment,
        device=deterministic(job.device),
        settings=snakemake.params.settings,
        **snakemake.params.options,
    )
