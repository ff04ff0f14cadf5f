"""The table of numbers: what each is, and how it is written."""
