"""A user's own data: shown, exported and deleted."""
