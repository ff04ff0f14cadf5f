from typing import TYPE_CHECKING

from latentdims import training
from latentdims.job import running

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with running(snakemake) as job:
    training.train(
        images=snakemake.input.images,
        output=snakemake.output.network,
        settings=snakemake.params.settings,
        device=job.device,
    )
