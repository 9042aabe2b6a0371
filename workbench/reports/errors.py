"""What can be wrong with a report, when it is made and when it is read."""

from workbench.errors import EdgeError


class RunUnfinished(EdgeError):
    """A run that still waits or works is no result yet."""

    code = "run_unfinished"
    status = 409


class ReportPageMissing(EdgeError):
    """The page that a report opens as was not built."""

    code = "report_page_missing"
    status = 503


class ChromiumMissing(EdgeError):
    """What only a browser can make, where there is none."""

    code = "chromium_missing"
    status = 503


class ChromiumBusy(EdgeError):
    """Another report is being printed."""

    code = "chromium_busy"
    status = 503


class ChromiumFailed(EdgeError):
    """The browser ended without what it was started for."""

    code = "chromium_failed"
    status = 500
