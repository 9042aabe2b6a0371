"""Addresses. What is neither API nor file is the front end's page."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path, re_path

from workbench import pages
from workbench.api import api, not_found

urlpatterns = [
    path("api/", api.urls),
    re_path(r"^api(?:/.*)?$", not_found),
    path("healthz", pages.health),
    path(
        "login",
        LoginView.as_view(template_name="accounts/login.html", redirect_authenticated_user=True),
        name="login",
    ),
    path("logout", LogoutView.as_view(), name="logout"),
    re_path(r"^(?!static/|ws$|ws/).*$", pages.index),
]
