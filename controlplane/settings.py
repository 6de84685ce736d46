"""Django's settings, driven by the environment (`controlplane/env.py` names every variable)."""

import secrets
from pathlib import Path
from typing import Any

from controlplane import env

BASE_DIR = env.ROOT
MANDATE_HOME = env.home()
MANDATE_KEYS_DIR = Path(env.text("MANDATE_KEYS_DIR", str(MANDATE_HOME / "keys")))
MANDATE_SECRETS_DIR = Path(env.text("MANDATE_SECRETS_DIR", str(MANDATE_HOME / "secrets")))
MANDATE_DRAIN_SECONDS = env.number("MANDATE_DRAIN_SECONDS", 120)
MANDATE_DEMO = env.flag("MANDATE_DEMO", default=True)
REDIS_URL = env.redis_url()
DATABASE_URL = env.database_url()


def _key_file(name: str) -> str:
    """A secret of this installation, read from the keys folder; a process-local one before `up` has made it."""
    path = MANDATE_KEYS_DIR / name
    return path.read_text(encoding="ascii").strip() if path.is_file() else secrets.token_urlsafe(48)


SECRET_KEY = _key_file("secret_key")
DEBUG = False
ALLOWED_HOSTS = env.text("MANDATE_HOSTS", "localhost,127.0.0.1,[::1]").split(",")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "simple_history",
    "django_htmx",
    "audit",
    "policies",
    "routing",
    "controlplane",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "controlplane.urls"
ASGI_APPLICATION = "controlplane.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]


def _databases() -> dict[str, Any]:
    """`default` is the application role; `owner` migrates, as the owner role that nobody can log in as."""
    app = env.Database(DATABASE_URL or "postgresql://mandate_app@localhost/mandate").django()
    owner = env.Database(
        env.database_owner_url() or DATABASE_URL or "postgresql://migrator@localhost/mandate"
    ).django()
    owner["OPTIONS"] = {**owner["OPTIONS"], "assume_role": "mandate_owner"}  # type: ignore[dict-item]
    app["TEST"] = {"MIRROR": "owner"}
    return {"default": app, "owner": owner}


DATABASES = _databases()
DATABASE_ROUTERS = ["controlplane.databases.Router"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "policies.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]

LANGUAGE_CODE = "en-gb"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"
STATIC_ROOT = MANDATE_HOME / "static"
