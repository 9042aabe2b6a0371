"""Whom an operation of the API lets in. By default that is accounts alone."""

from django.http import HttpRequest
from ninja.security import SessionAuth

from workbench.accounts.visitor import Visitor, request_visitor
from workbench.sessions.access import is_admitted


class GuestAuth(SessionAuth):
    """An account, or a guest with a link that stands."""

    def authenticate(self, request: HttpRequest, key: str | None) -> Visitor | None:
        visitor = request_visitor(request)
        return visitor if is_admitted(visitor) else None


class OpenAuth(SessionAuth):
    """Anybody who comes from a page of this server."""

    def authenticate(self, request: HttpRequest, key: str | None) -> Visitor:
        return request_visitor(request)


guests = GuestAuth()
anybody = OpenAuth()
