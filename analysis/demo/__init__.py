"""Worlds, training and reports of the models that ship with Glassbench."""
