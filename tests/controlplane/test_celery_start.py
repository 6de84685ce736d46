"""Workers and beat start without the console: nothing of pages, API or their libraries is loaded."""

import os
import subprocess
import sys

import pytest

from controlplane import env

START = """
import sys
from celery import signals
from controlplane.celery import app
app.loader.import_default_modules()
signals.import_modules.send(sender=app)
from celery.fixups.django import DjangoWorkerFixup
DjangoWorkerFixup(app).validate_models()
wanted = ("controlplane.urls", "controlplane.middleware", "rest_framework.views", "rest_framework.serializers",
          "drf_spectacular.views", "allauth.account.views", "policies.ui", "policies.api", "routing.ui", "routing.api",
          "audit.ui.views", "audit.api", "cel_expr_python")
print([name for name in wanted if name in sys.modules], sorted(name for name in app.tasks if name.startswith("audit.")))
"""


@pytest.mark.parametrize("role", ["jobs", "calls"])
def test_no_page_is_loaded(role: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name[:6] != "CELERY"}
    told = subprocess.run(
        [sys.executable, "-c", START],
        cwd=env.ROOT,
        env={
            **environment,
            "MANDATE_ROLE": role,
            "DJANGO_SETTINGS_MODULE": "controlplane.settings",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "[] ['audit.verify_recent', 'audit.verify_whole']"
