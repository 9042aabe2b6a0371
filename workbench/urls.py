"""Addresses. All except the API, files and account pages lead to the front end's page."""

from django.urls import include, path, re_path
from django.views.generic import RedirectView

from workbench import pages
from workbench.admin import site
from workbench.api import api, not_found

urlpatterns = [
    path("api/", api.urls),
    re_path(r"^api(?:/.*)?$", not_found),
    path("healthz", pages.health),
    path("", include("workbench.personal_data.urls")),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", site.urls),
    path("", pages.index, name="home"),
    re_path(r"^(?!static/|ws$|ws/).*$", pages.index),
]
