from typing import TYPE_CHECKING

from latentdims import summary
from latentdims.job import running

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with running(snakemake):
    summary.summarise(
        inputs=dict(snakemake.input.items()),
        runs=snakemake.params.runs,
        table=snakemake.output.table,
        comparison=snakemake.output.comparison,
        published=snakemake.params.published,
    )
