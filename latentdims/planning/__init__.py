"""What a run takes, before it starts: time, memory and disk of each job."""
