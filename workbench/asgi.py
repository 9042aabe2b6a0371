"""The web process: HTTP by Django, the socket by Channels."""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.urls import path, re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workbench.settings")
http = get_asgi_application()

# These import models, so Django must be set up first.
from workbench.accounts.local import LocalUserSocket  # noqa: E402
from workbench.base_path import BasePath  # noqa: E402
from workbench.body_limit import BodyLimit  # noqa: E402
from workbench.origins import SameOrigin, nothing_here  # noqa: E402
from workbench.sessions.consumers import SessionConsumer  # noqa: E402
from workbench.socket.consumers import RunConsumer  # noqa: E402

larger = {"/api/imports": settings.MAX_IMPORT_BYTES}
routes = [
    path("ws", RunConsumer.as_asgi()),  # type: ignore[arg-type]
    path("ws/sessions/<uuid:session>", SessionConsumer.as_asgi()),  # type: ignore[arg-type]
    re_path("", nothing_here),  # type: ignore[arg-type]
]
socket = URLRouter(routes)  # type: ignore[arg-type]
protocols = ProtocolTypeRouter(
    {
        "http": BodyLimit(http, larger=larger),  # type: ignore[arg-type]
        "websocket": SameOrigin(AuthMiddlewareStack(LocalUserSocket(socket))),
    }
)
application = BasePath(protocols, base=settings.BASE_PATH)
