"""Which models there are, and what their files say: all of it without torch."""
