from latentdims.workflow import forkserver

forkserver.enter("matplotlib")
import logging
from importlib import import_module

from latentdims.figures import style
from latentdims.workflow.job import running

with running(snakemake):
    files = {"table": [snakemake.input.table], "alignment": list(snakemake.input.alignment)}
    name, comparison = snakemake.params.name, snakemake.params.comparison
    figure = import_module(f"latentdims.figures.comparisons.{name}").draw(files, comparison)
    style.save(figure, svg=snakemake.output.svg, pdf=snakemake.output.pdf)
    logging.info("%s of the comparison %s", name, comparison["name"])
