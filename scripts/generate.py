from latentdims.device import deterministic
from latentdims.steps import generation
from latentdims.workflow.job import running

with running(snakemake) as job:
    generation.generate(
        images=snakemake.input.images,
        network=snakemake.input.network,
        others=dict(zip(snakemake.params.others, snakemake.input.others, strict=True)),
        output=snakemake.output.generation,
        procedures=snakemake.params.procedures,
        settings=snakemake.params.settings,
        alignment_images=snakemake.params.alignment_images,
        device=deterministic(job.device),
    )
