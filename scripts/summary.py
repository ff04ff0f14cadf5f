from latentdims.results import overview
from latentdims.steps import summary
from latentdims.workflow.job import running

with running(snakemake):
    files, runs, output = dict(snakemake.input.items()), snakemake.params.runs, snakemake.output
    given = ("networks", "averaged", "published", "members", "comparisons")
    summary.summarise(
        inputs=files,
        runs=runs,
        **{name: output[name] for name in ("table", "comparison")},
        **{name: snakemake.params[name] for name in given},
    )
    overview.write(output.overview, table=output.table, inputs=files, runs=runs)
