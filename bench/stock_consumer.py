"""The peer of our live sessions: the consumer of pycrdt-websocket without changes, in one process.

Run by uvicorn. It has no login, saves nothing and passes each message on as it arrives.
"""

import os

import django
from channels.routing import URLRouter
from django.urls import path
from pycrdt.websocket.django_channels_consumer import YjsConsumer

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workbench.settings")
django.setup()
application = URLRouter([path("ws/sessions/<str:room>", YjsConsumer.as_asgi())])
