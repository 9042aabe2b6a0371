"""Methods on language models as generators of typed events. No Django, no I/O of its own."""
