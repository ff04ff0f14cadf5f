from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from latentdims.images import checksums
from latentdims.configuration import adopted, config_file
from latentdims import figures, storage
from latentdims.comparison import partners
from latentdims.configuration.config import resolve
from latentdims.errors import InputError
from latentdims.figures import catalogue
from latentdims.images.sources import content, local
from latentdims.models import families, responses
from latentdims.models.epochs import ends
from latentdims.workflow.provenance import stamp

try:
    if Path(workflow.main_snakefile).parent == Path(workflow.current_basedir).parent:
        for file in workflow.configfiles:  # not those of an importing workflow
            config_file.read(file)
    SETTINGS = resolve({key: config[key] for key in config if key != "pathvars"})
    LOCAL_FILES = {
        name: local.files(dataset, key=f"datasets.{name}.path")
        for name, dataset in SETTINGS["datasets"].items()
    }
    for name, asked in SETTINGS["adopted"].items():
        brought = responses.are_given(network := SETTINGS["networks"][name])
        adopted.check_files(name, asked, key="responses" if brought else "checkpoints")
        if brought:
            responses.Family.of(network).check_files(asked["seeds"])
    if workflow.is_main_process:  # jobs need not list all images again
        for dataset in SETTINGS["datasets"].values():
            content.check_layout(dataset)
except InputError as error:
    raise WorkflowError(f"configuration: {error}") from None


# If another workflow imports this one, its `results` counts, and each module has its own downloads:
# two rules that make the same file would be ambiguous.
pathvars:
    results=SETTINGS["results"],
    downloads=(
        "resources/download" if workflow.modifier.is_main_snakefile() else "<results>/download"
    ),


SCRIPTS = Path(workflow.current_basedir).parent / "scripts"


def tell(line):
    """Print a line that people must see, also in the short output of `make run`."""
    logger.warning(f"latentdims: {line}")


@cache
def code(script, *modules):
    """Fingerprint of the code that a script reaches; an edit of it re-runs the rule."""
    return stamp(SCRIPTS / script, *modules)


def code_with_family(script):
    """The same for a script that builds networks, including the family of the network of the job."""
    return lambda wildcards: code_with_family_of(wildcards.network, script)


def code_with_family_of(network, script="describe.py"):
    return code(script, *families.modules(SETTINGS["networks"][network]))
