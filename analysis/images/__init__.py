"""Pictures: in events, from outside, and masks in them."""
