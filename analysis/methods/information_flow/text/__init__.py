"""Information flow in a language model: what one token reads of another, and its effect."""
