from latentdims.download import download
from latentdims.workflow.job import running

with running(snakemake):
    download(output=snakemake.output.file, urls=snakemake.params.urls, md5=snakemake.params.md5)
