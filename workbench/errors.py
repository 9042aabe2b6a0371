"""Errors of requests, each with its HTTP status."""

from analysis.errors import GlassbenchError


class EdgeError(GlassbenchError):
    """A refusal by the web process, before any worker is involved."""

    status = 422


class InvalidBody(EdgeError):
    """The body is not the JSON that is expected."""

    code = "invalid_body"


class InvalidQuery(EdgeError):
    """The address holds a parameter of the wrong type."""

    code = "invalid_query"


class UnknownHost(EdgeError):
    """The request is for a host name that this server does not answer to."""

    code = "unknown_host"
    status = 400


class TooLarge(EdgeError):
    code = "too_large"
    status = 413


class TooSlow(EdgeError):
    """The body arrives too slowly."""

    code = "too_slow"
    status = 408


class NotFound(EdgeError):
    code = "not_found"
    status = 404


class RunNotFound(EdgeError):
    """There is no such run, or the visitor may not read it: the response is the same."""

    code = "run_not_found"
    status = 404


class ArtifactNotFound(EdgeError):
    code = "artifact_not_found"
    status = 404


class RunIdTaken(EdgeError):
    code = "run_id_taken"
    status = 409


class RunActive(EdgeError):
    code = "run_active"
    status = 409


class TooManyRuns(EdgeError):
    code = "too_many_runs"
    status = 429


class TooManySessions(EdgeError):
    code = "too_many_sessions"
    status = 429


class TooManySessionRuns(EdgeError):
    code = "too_many_session_runs"
    status = 429


class TooManyMembers(EdgeError):
    code = "too_many_members"
    status = 429


class TooManyLinks(EdgeError):
    code = "too_many_links"
    status = 429


class TooManyTries(EdgeError):
    """Too many requests within a minute."""

    code = "too_many_tries"
    status = 429


class TooManyUploads(EdgeError):
    code = "too_many_uploads"
    status = 429


class SessionNotFound(EdgeError):
    """There is no such session, or the visitor has no role in it: the response is the same."""

    code = "session_not_found"
    status = 404


class SessionIdTaken(EdgeError):
    code = "session_id_taken"
    status = 409


class LinkNotFound(EdgeError):
    """The link is unknown, expired or revoked: the response is the same."""

    code = "link_not_found"
    status = 404


class MemberNotFound(EdgeError):
    code = "member_not_found"
    status = 404


class UserNotFound(EdgeError):
    """The body names an account that does not exist."""

    code = "user_not_found"


class OwnerIsMember(EdgeError):
    """The owner of a session needs no other role in it."""

    code = "owner_is_member"
    status = 409


class RoleMissing(EdgeError):
    """The visitor may read the session, but their role does not allow this change."""

    code = "role_missing"
    status = 403


class ThreadNotFound(EdgeError):
    """There is no such thread or comment, or the visitor may not read its session."""

    code = "thread_not_found"
    status = 404


class NotTheAuthor(EdgeError):
    """Only its author may edit a comment; its author and the session's owner may delete it."""

    code = "not_the_author"
    status = 403


class TooManyComments(EdgeError):
    code = "too_many_comments"
    status = 429


class UpdateRefused(EdgeError):
    """A change of a session's document that is invalid or too large."""

    code = "update_refused"


class SessionDamaged(EdgeError):
    """The saved document of a session is too slow to open."""

    code = "session_damaged"
    status = 409


class LoginRequired(EdgeError):
    code = "login_required"
    status = 401


class Forbidden(EdgeError):
    code = "forbidden"
    status = 403


class MethodNotAllowed(EdgeError):
    code = "method_not_allowed"
    status = 405


class ServerFault(EdgeError):
    """An error of the program, not of the request."""

    code = "internal"
    status = 500


class Unavailable(EdgeError):
    """A server behind this one does not answer."""

    code = "unavailable"
    status = 503


class InvalidMessage(EdgeError):
    """A socket message of the wrong shape."""

    code = "invalid_message"


class TooManyWatches(EdgeError):
    code = "too_many_watches"


class EventTooLarge(EdgeError):
    """An event that exceeds the limit even with its arrays stored separately."""

    code = "event_too_large"


class AttemptLost(Exception):
    """The run was reassigned or ended: this attempt must not write any more."""
