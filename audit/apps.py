"""Django's handle on the app."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """The log and the vault."""

    name = "audit"
    verbose_name = "Audit"
