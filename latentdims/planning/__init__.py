"""Time, memory and disk of each job, estimated before a run."""
