"""Django's entry in INSTALLED_APPS."""

from django.apps import AppConfig


class PoliciesConfig(AppConfig):
    """What is allowed."""

    name = "policies"
    verbose_name = "Policies"
