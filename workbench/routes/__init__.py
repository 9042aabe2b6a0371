"""What is asked over HTTP, slice by slice; `workbench.api` puts it together."""
