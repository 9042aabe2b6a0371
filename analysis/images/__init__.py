"""Pictures: events, files, and masks."""
