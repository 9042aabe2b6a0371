"""The Celery application; its settings are the CELERY_ ones of workbench.settings."""

import os
import warnings

from celery import Celery
from celery.exceptions import SecurityWarning

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workbench.settings")

# Messages are JSON, so a sender gains nothing from a root worker; root is usual in containers.
warnings.filterwarnings("ignore", "You're running the worker with superuser", SecurityWarning)

app = Celery("workbench")
app.config_from_object("django.conf:settings", namespace="CELERY")
