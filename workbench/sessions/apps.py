from django.apps import AppConfig


class SessionsConfig(AppConfig):
    name = "workbench.sessions"
    label = "workbench_sessions"  # "sessions" is Django's own, of logins
    verbose_name = "Shared sessions"
