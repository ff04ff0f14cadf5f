from latentdims.workflow import forkserver

forkserver.enter("torch")
from latentdims.steps import covariance
from latentdims.workflow.job import running

with running(snakemake):
    covariance.merge(
        parts=snakemake.input.parts,
        network=snakemake.input.network,
        partners=snakemake.params.partners,
        output=snakemake.output.covariance,
        epochs=snakemake.params.epochs,
        settings=snakemake.params.settings,
    )
