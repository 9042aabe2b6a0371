"""Worlds whose truth is known: stories, numbers, scenes and captions, drawn from seeds."""
