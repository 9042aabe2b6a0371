"""Errors of writing and reading reports."""

from workbench.errors import EdgeError


class RunUnfinished(EdgeError, code="run_unfinished", status=409):
    """The run has not ended yet."""


class ReportPageMissing(EdgeError, code="report_page_missing", status=503):
    """The report page is not built."""


class ChromiumMissing(EdgeError, code="chromium_missing", status=503):
    """The format needs a browser, and none is installed."""


class ChromiumBusy(EdgeError, code="chromium_busy", status=503):
    """Another report is being printed."""


class ChromiumFailed(EdgeError, code="chromium_failed", status=500):
    """The browser ended without a result."""


class ReportTooLarge(EdgeError, code="report_too_large", status=413):
    """The report exceeds the limits of a bundle."""


class PanelUnknown(EdgeError, code="panel_unknown"):
    """The session does not have this panel (any more)."""


class BundleUnreadable(EdgeError, code="bundle_unreadable"):
    """The file is truncated or not a ZIP."""


class BundleRefused(EdgeError, code="bundle_refused"):
    """The ZIP is not a valid bundle."""


class MethodDiffers(EdgeError, code="method_differs"):
    """The method has another version here, so its numbers may differ."""
