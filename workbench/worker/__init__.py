"""A worker: its one task, its life, what it writes and what it repairs."""
