# What is looked at when a run starts, and again in its jobs on a cluster.

import gc

from latentdims.workflow import cluster, lock, provenance

# A plan is made of many objects that all stay: to look for garbage less often saves a sixth of it.
gc.set_threshold(200_000, 20, 100)
if workflow.is_main_process:
    lock.free_stale(Path(".snakemake"))
try:
    stamps = [provenance.stamp(script) for script in sorted(SCRIPTS.glob("*.py"))]
    provenance.check_run(repr(SETTINGS), *stamps, in_job=workflow.remote_exec)
except InputError as error:
    raise WorkflowError(str(error)) from None


def check_cluster():
    """Ask a SLURM cluster, where there is one, whether it will take the first job of each rule."""
    if workflow.executor_plugin.name != "slurm":
        return
    submitted = [job for job in workflow.dag.needrun_jobs() if not job.is_local]
    try:
        cluster.check(
            {job.rule.name: dict(job.resources.items()) for job in submitted},
            profile="slurm_partition in profiles/slurm/profile.yaml",
        )
    except InputError as error:
        raise WorkflowError(str(error)) from None


onstart:
    check_cluster()
