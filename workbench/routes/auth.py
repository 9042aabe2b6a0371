"""Access classes of API operations. The default admits only accounts."""

from django.http import HttpRequest
from ninja.security import SessionAuth

from workbench.accounts.visitor import Visitor, request_visitor
from workbench.sessions.access import is_admitted


class GuestAuth(SessionAuth):
    """Admits accounts, and guests with a valid link."""

    def authenticate(self, request: HttpRequest, key: str | None) -> Visitor | None:
        visitor = request_visitor(request)
        return visitor if is_admitted(visitor) else None


class OpenAuth(SessionAuth):
    """Admits anybody who comes from a page of this server."""

    def authenticate(self, request: HttpRequest, key: str | None) -> Visitor:
        return request_visitor(request)


guests = GuestAuth()
anybody = OpenAuth()
