"""Errors of requests, each with its HTTP status."""

from analysis.errors import GlassbenchError


class EdgeError(GlassbenchError):
    """A refusal by the web process, before any worker is involved."""

    status: int

    def __init_subclass__(cls, *, code: str, status: int = 422) -> None:
        super().__init_subclass__()
        cls.code, cls.status = code, status


class InvalidBody(EdgeError, code="invalid_body"):
    """The body is not the JSON that is expected."""


class InvalidQuery(EdgeError, code="invalid_query"):
    """The address holds a parameter of the wrong type."""


class UnknownHost(EdgeError, code="unknown_host", status=400):
    """The request is for a host name that this server does not answer to."""


class TooLarge(EdgeError, code="too_large", status=413):
    """The body, a param or a file exceeds its limit."""


class TooSlow(EdgeError, code="too_slow", status=408):
    """The body arrives too slowly."""


class NotFound(EdgeError, code="not_found", status=404):
    """There is nothing at this address."""


class RunNotFound(EdgeError, code="run_not_found", status=404):
    """There is no such run, or the visitor may not read it: the response is the same."""


class ArtifactNotFound(EdgeError, code="artifact_not_found", status=404):
    """There is no such array or picture, or the visitor may not read it."""


class RunIdTaken(EdgeError, code="run_id_taken", status=409):
    """Another run has this id."""


class RunActive(EdgeError, code="run_active", status=409):
    """The run is running and cannot be deleted."""


class TooManyRuns(EdgeError, code="too_many_runs", status=429):
    """The owner's queue, or the hourly limit of a link, is full."""


class TooManySessions(EdgeError, code="too_many_sessions", status=429):
    """The owner has as many sessions as the limit."""


class TooManySessionRuns(EdgeError, code="too_many_session_runs", status=429):
    """The session has as many runs as the limit."""


class TooManyMembers(EdgeError, code="too_many_members", status=429):
    """The session has as many members as the limit."""


class TooManyLinks(EdgeError, code="too_many_links", status=429):
    """The session has as many links as the limit."""


class TooManyTries(EdgeError, code="too_many_tries", status=429):
    """Too many requests within a minute."""


class TooManyUploads(EdgeError, code="too_many_uploads", status=429):
    """The user has as many pictures as the limit."""


class SessionNotFound(EdgeError, code="session_not_found", status=404):
    """There is no such session, or the visitor has no role in it: the response is the same."""


class SessionIdTaken(EdgeError, code="session_id_taken", status=409):
    """Another session has this id."""


class LinkNotFound(EdgeError, code="link_not_found", status=404):
    """The link is unknown, expired or revoked: the response is the same."""


class MemberNotFound(EdgeError, code="member_not_found", status=404):
    """The user is not a member of the session."""


class UserNotFound(EdgeError, code="user_not_found"):
    """The body names an account that does not exist."""


class OwnerIsMember(EdgeError, code="owner_is_member", status=409):
    """The owner of a session needs no other role in it."""


class RoleMissing(EdgeError, code="role_missing", status=403):
    """The visitor may read the session, but their role does not allow this change."""


class ThreadNotFound(EdgeError, code="thread_not_found", status=404):
    """There is no such thread or comment, or the visitor may not read its session."""


class NotTheAuthor(EdgeError, code="not_the_author", status=403):
    """Only its author may edit a comment; its author and the session's owner may delete it."""


class TooManyComments(EdgeError, code="too_many_comments", status=429):
    """The session or thread has as many comments as the limit."""


class UpdateRefused(EdgeError, code="update_refused"):
    """A change of a session's document that is invalid or too large."""


class SessionDamaged(EdgeError, code="session_damaged", status=409):
    """The saved document of a session is too slow to open."""


class LoginRequired(EdgeError, code="login_required", status=401):
    """The request needs an account."""


class Forbidden(EdgeError, code="forbidden", status=403):
    """The request lacks a valid CSRF token."""


class MethodNotAllowed(EdgeError, code="method_not_allowed", status=405):
    """The address does not support the HTTP method."""


class ServerFault(EdgeError, code="internal", status=500):
    """An error of the program, not of the request."""


class Unavailable(EdgeError, code="unavailable", status=503):
    """A server behind this one does not answer."""


class InvalidMessage(EdgeError, code="invalid_message"):
    """A socket message of the wrong shape."""


class TooManyWatches(EdgeError, code="too_many_watches"):
    """The page watches as many runs or sessions as the limit."""


class EventTooLarge(EdgeError, code="event_too_large"):
    """An event that exceeds the limit even with its arrays stored separately."""


class AttemptLost(Exception):
    """The run was reassigned or ended: this attempt must not write any more."""
