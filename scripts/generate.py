from latentdims import generation
from latentdims.job import running

with running(snakemake) as job:
    generation.generate(
        images=snakemake.input.images,
        network=snakemake.input.network,
        output=snakemake.output.generation,
        draws=snakemake.params.draws,
        flattened_classifier=snakemake.params.flattened_classifier,
        settings=snakemake.params.settings,
        device=job.device,
    )
