"""Every address but /v1, which `controlplane/asgi.py` hands to `routing.wire` before Django sees it."""

from importlib.util import find_spec

from django.urls import URLPattern, URLResolver, include, path, register_converter
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView

from audit.api.ids import Id
from controlplane.health import healthz, readyz
from controlplane.telemetry import metrics

handler500 = "controlplane.health.broken"
register_converter(Id, "id")
ROOMS = ("routing", "policies", "audit")


def _of_rooms(side: str, at: str) -> list[URLResolver]:
    """The pages (`ui`) or the API (`api`) of each app that has them."""
    return [
        path(at, include(f"{room}.{side}.urls"))
        for room in ROOMS
        if find_spec(f"{room}.{side}") and find_spec(f"{room}.{side}.urls")
    ]


urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    path("api/v1/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/v1/docs/", SpectacularRedocView.as_view(url_name="schema"), name="docs"),
    *_of_rooms("api", "api/v1/"),
    path("log/", include("controlplane.tampering")),
    path("account/2fa/", include("controlplane.second_factor")),
    path("account/", include("allauth.account.urls")),
    *_of_rooms("ui", ""),
]
