"""One module per method; the folder is the registry."""
