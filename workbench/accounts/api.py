"""Who is asking."""

from allauth.mfa.utils import is_mfa_enabled
from django.http import HttpRequest
from ninja import Router
from pydantic import BaseModel, Field

from workbench.accounts.local import visitor, visitor_is_local

router = Router(tags=["accounts"])


class Me(BaseModel):
    id: str
    username: str
    name: str = Field(description="What others see: the full name, or else the user name.")
    local: bool = Field(description="Logged in for sitting at this machine.")
    staff: bool = Field(description="May see /admin.")
    mfa: bool = Field(description="A second step is set up.")


@router.get("/me", response=Me, operation_id="me")
def me(request: HttpRequest) -> Me:
    user = visitor(request)
    return Me(
        id=str(user.pk),
        username=user.get_username(),
        name=user.get_full_name() or user.get_username(),
        local=visitor_is_local(request),
        staff=user.is_staff,
        mfa=is_mfa_enabled(user),
    )
