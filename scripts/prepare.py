from typing import TYPE_CHECKING

from latentdims import data
from latentdims.job import running

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with running(snakemake):
    data.prepare(
        output=snakemake.output.images,
        source=snakemake.params.source,
        files=list(snakemake.input.files),
    )
