from latentdims.workflow import forkserver

forkserver.enter("torch")
from latentdims.device import deterministic
from latentdims.steps import generation
from latentdims.workflow.job import running

OPTIONS = ("procedures", "retraining", "settings")

with running(snakemake) as job:
    generation.generate(
        images=snakemake.input.images,
        network=snakemake.input.network,
        others=dict(zip(snakemake.params.others, snakemake.input.others, strict=True)),
        output=snakemake.output.generation,
        **{name: snakemake.params[name] for name in OPTIONS},
        device=deterministic(job.device),
    )
