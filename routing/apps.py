"""Django's handle on the app."""

from django.apps import AppConfig


class RoutingConfig(AppConfig):
    """What happens: calls, attempts, money."""

    name = "routing"
    verbose_name = "Routing"
