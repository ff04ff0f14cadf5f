from latentdims.workflow import forkserver

forkserver.enter("torch")
from latentdims.device import deterministic
from latentdims.steps import training
from latentdims.workflow.job import running

with running(snakemake) as job:
    training.train(
        images=snakemake.input.images,
        output=snakemake.output.network,
        settings=snakemake.params.settings,
        device=deterministic(job.device),
        code=snakemake.params.code,
    )
