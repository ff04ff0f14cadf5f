from latentdims.workflow import forkserver

forkserver.enter("torch")
from latentdims.device import deterministic
from latentdims.steps import adoption
from latentdims.workflow.job import running

with running(snakemake) as job:
    adoption.adopt(
        images=snakemake.input.images,
        output=snakemake.output.network,
        files=snakemake.resources.files.split("\n"),
        contents=snakemake.params.contents,
        settings=snakemake.params.settings,
        device=deterministic(job.device),
    )
