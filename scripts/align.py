from latentdims import alignment
from latentdims.job import running

with running(snakemake):
    alignment.align(
        network=snakemake.input.network,
        covariance=snakemake.input.covariance,
        partner_seeds=snakemake.params.partners,
        partner_networks=snakemake.input.partner_networks,
        partner_covariances=snakemake.input.partner_covariances,
        output=snakemake.output.alignment,
        vectors=snakemake.params.vectors,
        settings=snakemake.params.settings,
    )
