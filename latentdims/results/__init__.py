"""The table of numbers: definitions, values and layout."""
