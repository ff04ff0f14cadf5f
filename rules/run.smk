# What is looked at when a run starts, and again in its jobs on a cluster.

import gc
import logging

from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

from latentdims.workflow import cluster, lock, provenance

# A plan is made of many objects that all stay: to look for garbage less often saves a sixth of it.
gc.set_threshold(200_000, 20, 100)
try:
    stamps = [provenance.stamp(script) for script in sorted(SCRIPTS.glob("*.py"))]
    provenance.check_run(repr(SETTINGS), *stamps, in_job=workflow.remote_exec)
except InputError as error:
    raise WorkflowError(str(error)) from None


class Stages(logging.Handler):
    """Acts when Snakemake says how far it is: before it locks the folder, and before its first job.

    Not `onstart`, which comes after Snakemake's own locks, and which another workflow replaces that
    this one is a module of. Two modules do not act twice.
    """

    def emit(self, record):
        try:
            if getattr(record, "event", None) == LogEvent.WORKFLOW_STARTED:
                lock.check_writable(Path(".snakemake"))
            elif workflow.executor_plugin is None or workflow.dryrun:
                return  # a report, a plan and the like
            elif record.msg == "Building DAG of jobs..." and workflow.execution_settings.lock:
                lock.take(Path(workflow.persistence.path))
            elif getattr(record, "event", None) == LogEvent.RUN_INFO:
                check_cluster()
        except InputError as error:
            raise WorkflowError(str(error)) from None


def check_cluster():
    """Ask a SLURM cluster, where there is one, whether it will take the first job of each rule."""
    if workflow.executor_plugin.name != "slurm":
        return
    submitted = [job for job in workflow.dag.needrun_jobs() if not job.is_local]
    cluster.check(
        {job.rule.name: dict(job.resources.items()) for job in submitted},
        profile="slurm_partition in profiles/slurm/profile.yaml",
    )


if workflow.is_main_process and not any(type(each).__name__ == "Stages" for each in logger.handlers):
    logger.addHandler(Stages())
