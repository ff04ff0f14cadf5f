from latentdims import alignment
from latentdims.workflow.job import running

with running(snakemake):
    alignment.align(
        covariance=snakemake.input.covariance,
        partners=dict(zip(snakemake.params.partners, snakemake.input.partners, strict=True)),
        output=snakemake.output.alignment,
        vectors=snakemake.params.vectors,
        settings=snakemake.params.settings,
    )
