"""Browser contexts that record all problems of their pages; all tests use these."""

import re
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Request, Response

WAIT = 60_000  # milliseconds; the machine may be slow, nothing here is a timing
LEFT = "net::ERR_ABORTED"  # the page was left or closed, or the answer became a download


@dataclass
class Contexts:
    """Opens contexts; `end` closes them and refuses what was not allowed.

    A problem is a page error, a console error, a failed request, a status of 400 or more.
    """

    browser: Browser
    base_url: str
    opened: list[BrowserContext] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    allowed: dict[str, str] = field(default_factory=dict)

    def open(self, **options: Any) -> BrowserContext:
        """A context of the product's address; `options` are those of Browser.new_context."""
        context = self.browser.new_context(**{"base_url": self.base_url, **options})
        context.set_default_timeout(WAIT)
        context.on("weberror", lambda found: self._add(f"page error: {found.error}"))
        context.on("console", self._console)
        context.on("requestfailed", self._failed)
        context.on("response", self._response)
        self.opened.append(context)
        return context

    def allow(self, pattern: str, *, reason: str) -> None:
        """Problems that the test brings about itself; `reason` says how."""
        assert reason
        self.allowed[pattern] = reason

    def refuse_problems(self) -> None:
        """Fails naming each problem that no `allow` covers, and forgets them."""
        found, self.problems = self.problems, []
        left = [one for one in found if not any(re.search(p, one) for p in self.allowed)]
        assert not left, "\n".join(left)

    def end(self) -> None:
        for context in self.opened:
            context.close()
        self.refuse_problems()

    def _add(self, problem: str) -> None:
        self.problems.append(problem)

    def _console(self, message: ConsoleMessage) -> None:
        policy = "Content Security Policy" in message.text
        status = message.text.startswith(
            "Failed to load resource"
        )  # reported by the request itself
        if policy or (message.type == "error" and not status):
            self._add(f"console: {message.text}")

    def _failed(self, request: Request) -> None:
        if request.failure != LEFT:
            self._add(f"failed: {request.method} {request.url}: {request.failure}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            request = response.request
            self._add(f"status {response.status}: {request.method} {response.url}")
