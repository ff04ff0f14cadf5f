from importlib import import_module

from latentdims.figures import style
from latentdims.workflow.job import running

with running(snakemake):
    figure = import_module(f"latentdims.figures.{snakemake.params.name}")
    drawing = figure.draw(dict(snakemake.input.items()))
    style.save(drawing, svg=snakemake.output.svg, pdf=snakemake.output.pdf)
