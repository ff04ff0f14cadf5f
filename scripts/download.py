from latentdims.steps.download import download
from latentdims.workflow.job import running

with running(snakemake):
    download(
        output=snakemake.output.file,
        urls=snakemake.resources.urls.split(),
        md5=snakemake.params.md5,
    )
