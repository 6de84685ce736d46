"""The shell as a Django app: it has no tables; it registers its checks."""

from django.apps import AppConfig


class ControlplaneConfig(AppConfig):
    """Wiring."""

    name = "controlplane"
    verbose_name = "Mandate"

    def ready(self) -> None:
        """Register the deployment checks."""
        from controlplane import checks  # noqa: F401, PLC0415 - Django's checks register when imported, after the apps
