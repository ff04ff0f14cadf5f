from latentdims.results import overview
from latentdims.steps import summary
from latentdims.workflow.job import running

with running(snakemake):
    files, runs = dict(snakemake.input.items()), snakemake.params.runs
    summary.summarise(
        inputs=files,
        runs=runs,
        networks=snakemake.params.networks,
        table=snakemake.output.table,
        comparison=snakemake.output.comparison,
        averaged=[tuple(network) for network in snakemake.params.averaged],
        published=snakemake.params.published,
        members=[tuple(member) for member in snakemake.params.members],
        comparisons=snakemake.params.comparisons,
    )
    overview.write(snakemake.output.overview, table=snakemake.output.table, inputs=files, runs=runs)
