from importlib import import_module
from typing import TYPE_CHECKING

from latentdims.figures import style
from latentdims.job import running

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with running(snakemake):
    figure = import_module(f"latentdims.figures.{snakemake.params.name}")
    drawing = figure.draw(dict(snakemake.input.items()))
    style.save(drawing, svg=snakemake.output.svg, pdf=snakemake.output.pdf)
