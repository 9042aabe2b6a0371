"""Errors of writing and reading reports."""

from workbench.errors import EdgeError


class RunUnfinished(EdgeError):
    """The run has not ended yet."""

    code = "run_unfinished"
    status = 409


class ReportPageMissing(EdgeError):
    """The report page is not built."""

    code = "report_page_missing"
    status = 503


class ChromiumMissing(EdgeError):
    """The format needs a browser, and none is installed."""

    code = "chromium_missing"
    status = 503


class ChromiumBusy(EdgeError):
    """Another report is being printed."""

    code = "chromium_busy"
    status = 503


class ChromiumFailed(EdgeError):
    """The browser ended without a result."""

    code = "chromium_failed"
    status = 500


class ReportTooLarge(EdgeError):
    """The report exceeds the limits of a bundle."""

    code = "report_too_large"
    status = 413


class PanelUnknown(EdgeError):
    """The session does not have this panel (any more)."""

    code = "panel_unknown"


class BundleUnreadable(EdgeError):
    """The file is truncated or not a ZIP."""

    code = "bundle_unreadable"


class BundleRefused(EdgeError):
    """The ZIP is not a valid bundle."""

    code = "bundle_refused"


class MethodDiffers(EdgeError):
    """The method has another version here, so its numbers may differ."""

    code = "method_differs"
