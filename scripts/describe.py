from latentdims.workflow import forkserver

forkserver.enter("torch")
from latentdims.steps.description import describe
from latentdims.workflow.job import running

with running(snakemake):
    describe(
        images=snakemake.input.images,
        output=snakemake.output.architecture,
        settings=snakemake.params.settings,
        sites=snakemake.resources.sites,
    )
