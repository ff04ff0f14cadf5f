"""Networks that are changed or drawn: how clipping and generation do it."""
