"""Texts: tokenization, the context of a run, and generation."""
