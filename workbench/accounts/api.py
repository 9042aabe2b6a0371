"""Who is asking."""

from django.http import HttpRequest
from ninja import Router
from pydantic import BaseModel

from workbench.accounts.local import request_is_local, visitor

router = Router(tags=["accounts"])


class Me(BaseModel):
    username: str
    local: bool


@router.get("/me", response=Me, operation_id="me")
def me(request: HttpRequest) -> Me:
    return Me(username=visitor(request).get_username(), local=request_is_local(request))
