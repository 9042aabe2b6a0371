"""A list of words that the project does not use, each with its replacement (`make check`)."""
