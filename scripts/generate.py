from typing import TYPE_CHECKING

from latentdims import generation
from latentdims.job import running

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

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
