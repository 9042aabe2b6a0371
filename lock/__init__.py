"""Exact versions of everything that is installed, made from ranges and checked.

Run as modules, with the standard library and uv alone: `python -m lock.pin`.
"""
