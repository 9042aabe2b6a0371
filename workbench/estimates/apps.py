from django.apps import AppConfig


class EstimatesConfig(AppConfig):
    name = "workbench.estimates"
    label = "estimates"
