from latentdims import summary
from latentdims.workflow.job import running

with running(snakemake):
    summary.summarise(
        inputs=dict(snakemake.input.items()),
        runs=snakemake.params.runs,
        networks=snakemake.params.networks,
        table=snakemake.output.table,
        comparison=snakemake.output.comparison,
        published=snakemake.params.published,
    )
