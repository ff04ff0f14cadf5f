from latentdims.workflow import forkserver

forkserver.enter("matplotlib")
import logging
from importlib import import_module

from latentdims.figures import sources, style
from latentdims.workflow.job import running

with running(snakemake):
    name, files = snakemake.params.name, dict(snakemake.input.items())
    figure = import_module(f"latentdims.figures.{name}").draw(files)
    style.save(figure, svg=snakemake.output.svg, pdf=snakemake.output.pdf)
    logging.info("%s, drawn from %s", name, sources(files))
