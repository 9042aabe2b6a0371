"""All that is a person's: shown, exported, deleted."""
