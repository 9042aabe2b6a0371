"""What can be wrong with a report, when it is made and when it is read."""

from workbench.errors import EdgeError


class RunUnfinished(EdgeError):
    """A run that still waits or works is no result yet."""

    code = "run_unfinished"
    status = 409
