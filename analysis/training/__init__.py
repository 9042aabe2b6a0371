"""Training and measuring the models that ship with Glassbench."""
