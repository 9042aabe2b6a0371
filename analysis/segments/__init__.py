"""Texts that read only whom they should: segments, the edges between them, and running them."""
