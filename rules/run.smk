# Checks at the start of a run, and again in its jobs on a cluster.

import gc
import os

from snakemake.common import NOTHING_TO_BE_DONE_MSG
from snakemake.logging import logger
from snakemake_interface_common.exceptions import ApiError
from snakemake_interface_logger_plugins.common import LogEvent

from latentdims.planning import jobs
from latentdims.workflow import cluster, forkserver, links, lock, made, provenance, sites, stages
from latentdims.workflow import targets, waiting

# A plan consists of many permanent objects: less frequent garbage collection saves a sixth of its time.
gc.set_threshold(200_000, 20, 100)
try:
    stamps = [provenance.stamp(script) for script in sorted(SCRIPTS.glob("*.py"))]
    provenance.check_run(repr(SETTINGS), *stamps, in_job=workflow.remote_exec)
except InputError as error:
    raise WorkflowError(str(error)) from None


def check_folder():
    lock.check_writable(Path(".snakemake"))


def results_folder():
    """The results folder in the path variables of a module, if this workflow is imported."""
    return Path(rules.summary.output.table).parent


def say_where():
    """For `make run`: the results folder, and whether all results are requested."""
    asked = workflow.dag_settings
    part = asked.targets or asked.until or asked.omit_from or asked.batch or asked.allowed_rules
    logger.info(f"{'Part of the results' if part else 'Results'}: {results_folder()}")


def say_left():
    """Figures from other settings, which a reader could mistake for those of this configuration."""
    folder = results_folder() / "figures"
    drawn = {f"{dataset}/samples" for dataset in SETTINGS["datasets"]}
    drawn |= {f"{'/'.join(of)}/{name}" for of in SETTINGS["runs"] for name in drawn_of(of[1])}
    drawn |= {
        f"comparisons/{name}/{figure}"
        for name, figures_of in FIGURES_OF_COMPARISONS.items()
        for figure in figures_of
    }
    drawn |= {"reproduction"} if SETTINGS["published"] else set()
    found = {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.svg")}
    if left := sorted(found - drawn):
        more = f" and {len(left) - 3} more" if len(left) > 3 else ""
        tell(f"not of this configuration, in {folder}: {', '.join(left[:3])}{more}")


def begin():
    """Before Snakemake takes its own locks, and before it looks at files."""
    targets.check(workflow.dag_settings.targets, SETTINGS["networks"])
    sites.check(SETTINGS, results_folder(), code_with_family_of)
    say_where()
    say_left()
    if workflow.executor_plugin is not None:  # not for reports and the like
        if workflow.execution_settings.lock and not workflow.dryrun:
            lock.take(Path(workflow.persistence.path))
        links.check([results_folder(), "resources/download"], dry=workflow.dryrun)


def check_cluster():
    """Before the first job: will a SLURM cluster start them? Then watch those that wait."""
    if workflow.executor_plugin.name == "slurm":
        cluster.check(cluster.requests(workflow.dag), profile="profiles/slurm/profile.yaml")
        waiting.Watch(tell, workflow.workdir_init).start()


def say_planned():
    """For `make plan`: the jobs that would run."""
    if workflow.dryrun and jobs.ASKED in os.environ:
        for line in jobs.lines(workflow.dag, SETTINGS):
            logger.info(line)


def say_made():
    """For `make archive`: what a finished run has made."""
    if workflow.dryrun and made.ASKED in os.environ:
        for line in made.lines(workflow.dag, SETTINGS):
            logger.info(line)


def check_plan():
    """When it is known which jobs run."""
    check_cluster()
    say_planned()
    if not workflow.dryrun:
        provenance.remember()
    if workflow.executor_plugin.name == "local":
        forkserver.start()


if workflow.is_main_process:
    actions = {
        LogEvent.WORKFLOW_STARTED: check_folder,
        "Building DAG of jobs...": begin,
        LogEvent.RUN_INFO: check_plan,
    }
    rare = {NOTHING_TO_BE_DONE_MSG: say_made}
    stages.Stages(actions, error=ApiError, rare=rare).listen(logger)
