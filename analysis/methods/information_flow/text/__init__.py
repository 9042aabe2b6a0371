"""Information flow in a language model: what one token reads of another, and what hangs on it."""
