from latentdims.workflow import forkserver

forkserver.enter("torch")
from latentdims.device import deterministic
from latentdims.steps import training
from latentdims.workflow.job import running

with running(snakemake) as job:
    training.train_together(
        images=snakemake.input.images,
        outputs=dict(zip(snakemake.params.seeds, snakemake.output.network, strict=True)),
        settings=snakemake.params.settings,
        device=deterministic(job.device),
        code=snakemake.params.code,
    )
