"""The visitor's own account."""

from allauth.mfa.utils import is_mfa_enabled
from django.http import HttpRequest
from ninja import Router
from pydantic import BaseModel, Field

from workbench.accounts.local import visitor_is_local
from workbench.accounts.visitor import request_visitor
from workbench.answers import REFUSALS, ErrorOut
from workbench.routes.auth import guests

router = Router(tags=["accounts"])


class Me(BaseModel):
    id: str
    username: str
    name: str = Field(description="Shown to others: the full name, or else the user name.")
    local: bool = Field(description="The local user, logged in without a password.")
    staff: bool = Field(description="May open /admin.")
    mfa: bool = Field(description="A second step is set up.")


@router.get("/me", response={200: Me, REFUSALS: ErrorOut}, operation_id="me", auth=guests)
def me(request: HttpRequest) -> Me:
    visitor = request_visitor(request)
    user = visitor.user
    return Me(
        id=visitor.id,
        username=visitor.name,
        name=user.get_full_name() or visitor.name if user else visitor.name,
        local=visitor_is_local(request),
        staff=user is not None and user.is_staff,
        mfa=user is not None and is_mfa_enabled(user),
    )
