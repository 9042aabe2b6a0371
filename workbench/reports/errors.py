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


class ReportTooLarge(EdgeError):
    """More than one file should hold."""

    code = "report_too_large"
    status = 413


class PanelUnknown(EdgeError):
    """A panel that the session has not (any more)."""

    code = "panel_unknown"


class BundleUnreadable(EdgeError):
    """A file that is cut short, or no ZIP."""

    code = "bundle_unreadable"


class BundleRefused(EdgeError):
    """A file that reads, and is no bundle of ours or holds what one may not hold."""

    code = "bundle_refused"


class MethodDiffers(EdgeError):
    """A method of another version: its numbers are not those of this one."""

    code = "method_differs"
