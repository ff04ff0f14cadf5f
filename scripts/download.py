from typing import TYPE_CHECKING

from latentdims.download import download
from latentdims.job import running

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with running(snakemake):
    download(output=snakemake.output.file, urls=snakemake.params.urls, md5=snakemake.params.md5)
