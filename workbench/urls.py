"""Addresses. What is neither API nor file is the front end's page."""

from django.urls import include, path, re_path

from workbench import pages
from workbench.api import api, not_found

urlpatterns = [
    path("api/", api.urls),
    re_path(r"^api(?:/.*)?$", not_found),
    path("healthz", pages.health),
    path("", include("workbench.accounts.urls")),
    re_path(r"^(?!static/|ws$|ws/).*$", pages.index),
]
