"""Texts: as tokens, as a run shows them, as a model goes on with them."""
