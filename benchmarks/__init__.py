"""Time and memory of the workflow, measured: `python -m benchmarks.NAME`, in the repository."""
