"""The HTTP operations, one module per subject; `workbench.api` combines them."""
