"""Where images come from: one module per source, whose `opened` gives a `Collection`."""
