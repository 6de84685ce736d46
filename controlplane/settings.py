"""Django's settings, driven by the environment (`controlplane/env.py` reads every variable)."""

import secrets
from pathlib import Path
from typing import Any

from controlplane import env, logs

BASE_DIR = env.ROOT
MANDATE_HOME = env.home()
MANDATE_KEYS_DIR = Path(env.text("MANDATE_KEYS_DIR", str(MANDATE_HOME / "keys")))
MANDATE_KEY_PROVIDER = env.one_of("MANDATE_KEY_PROVIDER", "file", "aws-kms")
MANDATE_KMS_KEY = env.text("MANDATE_KMS_KEY", "alias/mandate")
MANDATE_SECRETS_DIR = Path(env.text("MANDATE_SECRETS_DIR", str(MANDATE_HOME / "secrets")))
MANDATE_DRAIN_SECONDS = env.number("MANDATE_DRAIN_SECONDS", 120)
SANDBOX_PORT = int(env.services().get("sandbox_port", 0))
MANDATE_LOG_ORIGIN = env.text("MANDATE_LOG_ORIGIN")
MANDATE_LOG_DIR = Path(env.text("MANDATE_LOG_DIR", str(MANDATE_HOME / "published-log")))
MANDATE_LOG_REGISTER = env.text("MANDATE_LOG_REGISTER", str(MANDATE_HOME / "register"))
MANDATE_LOG_WITNESSES = env.text("MANDATE_LOG_WITNESSES")
MANDATE_LOG_QUORUM = env.number("MANDATE_LOG_QUORUM", 0, most=64)
MANDATE_DEMO = env.flag("MANDATE_DEMO", default=True)
REDIS_URL = env.redis_url()
DATABASE_URL = env.database_url()
MANDATE_ROLE = env.text("MANDATE_ROLE", "command")
"""Which process this is: web, calls, jobs, or a command."""


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
    "allauth.mfa",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "simple_history",
    "django_htmx",
    "routing",  # before audit, whose command it adds to
    "audit",
    "policies",
    "controlplane",
]
MIDDLEWARE = [
    "controlplane.middleware.request_id",
    "controlplane.middleware.security_headers",
    "controlplane.middleware.probes",
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
    "controlplane.middleware.Console",
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
    for entry in (app, owner):
        entry["OPTIONS"].setdefault("connect_timeout", "5")
        entry["OPTIONS"].setdefault("application_name", f"mandate-{MANDATE_ROLE}")
    owner["OPTIONS"]["assume_role"] = "mandate_owner"
    app["TEST"] = {"MIRROR": "owner"}
    app["CONN_HEALTH_CHECKS"] = True
    if MANDATE_ROLE == "web":
        # reports join calls with attempts month by month, and group them without a sort on disk: half the time over a year
        reporting = "-c enable_partitionwise_join=on -c work_mem=32MB"
        app["OPTIONS"].setdefault("options", reporting)
        # Django's threads come and go under ASGI: a pool keeps their connections, checked before each use
        # a pool that tries again for long does so at growing intervals, and is late when PostgreSQL is back
        app["OPTIONS"]["pool"] = {
            "min_size": 1,
            "max_size": 8,
            "timeout": 5,
            "reconnect_timeout": 2,
        }
    return {"default": app, "owner": owner}


DATABASES = _databases()
DATABASE_ROUTERS = ["controlplane.databases.Router"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "policies.User"
AUTHENTICATION_BACKENDS = ["controlplane.accounts.Members"]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "controlplane.accounts.ClosedDoor"
MFA_ADAPTER = "controlplane.accounts.SecondFactor"
MFA_TOTP_ISSUER = "Mandate"
MFA_TOTP_TOLERANCE = 1  # a clock may be half a minute off
MFA_RECOVERY_CODES_SHOW_ONCE = True
MANDATE_REQUIRE_TOTP = tuple(
    role for role in env.text("MANDATE_REQUIRE_TOTP").replace(" ", "").split(",") if role
)
"""Roles whose holders must enrol a second factor before they see a page: `admin,approver`."""
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_LOGOUT_ON_GET = False

SESSION_ENGINE = "policies.identity.sessions"
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_NAME = "mandate_session"
CSRF_COOKIE_NAME = "mandate_csrf"
# one browser keeps cookies per host, not per port: with TLS the cookies are bound to it
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.flag("MANDATE_TLS", default=False)
SECURE_HSTS_SECONDS = 31_536_000 if SESSION_COOKIE_SECURE else 0
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.text("MANDATE_TRUSTED_PROXIES") else None
)
CSRF_TRUSTED_ORIGINS = [
    origin for origin in env.text("MANDATE_ORIGINS").split(",") if origin
]  # https://mandate.example, where TLS ends in front of us
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 2**20

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "controlplane.problems.handle",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Mandate",
    "DESCRIPTION": "The control plane for an organisation's use of AI models.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "PATH_CONVERTER_OVERRIDES": {"id": {"type": "string", "format": "uuid"}},
    "ENUM_NAME_OVERRIDES": {
        "AdjustmentStateEnum": "routing.closing.adjusting.STATES",
        "ChangeStateEnum": "policies.changes.models.STATES",
        "CredentialStateEnum": "policies.identity.read.STATES",
        "DeliveryStateEnum": "routing.notifications.models.STATES",
        "ErasureKindEnum": "audit.retention.models.ERASURES",
        "FileStateEnum": "routing.files.models.STATES",
        "GlassVerdictEnum": "policies.api.glass_shape.VERDICTS",
        "HoldKindEnum": "audit.retention.models.HOLDS",
        "OriginEnum": "policies.api.shapes.ORIGINS",
        "ReplayStateEnum": "policies.replay.models.STATES",
        "ReviewStateEnum": "routing.api.reviews.CASE_STATES",
        "ReviewVerdictEnum": "routing.api.reviews.VERDICTS",
        "VerdictStateEnum": "routing.api.reviews.VERDICT_STATES",
    },
}

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL or "redis://127.0.0.1:6379",
        "KEY_PREFIX": f"django:{DATABASES['default']['NAME']}",
    }
}
"""Counts of sign-ins and API requests, shared by every web process; nothing else is in it."""
MANDATE_URL = env.text("MANDATE_URL") or f"http://localhost:{env.text('PORT', '8000')}"
MANDATE_MAIL_FROM = env.text("MANDATE_MAIL_FROM")
"""Who invitations come from; empty: none is mailed, the link is shown to whoever invites."""
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST = env.text("MANDATE_MAIL_HOST", "localhost")
EMAIL_PORT = env.number("MANDATE_MAIL_PORT", 25, most=65535)
EMAIL_HOST_USER = env.text("MANDATE_MAIL_USER")
EMAIL_HOST_PASSWORD = _key_file("mail_password") if EMAIL_HOST_USER else ""
EMAIL_USE_TLS = env.flag("MANDATE_MAIL_TLS", default=False)
EMAIL_TIMEOUT = 10
LOGGING_CONFIG = None
LOGGING = logs.configuration(env.text("MANDATE_LOG_LEVEL", "INFO").upper())
logs.configure(LOGGING)

LANGUAGE_CODE = "en-gb"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"
STATIC_ROOT = env.text("MANDATE_STATIC_ROOT") or None
# served from where they lie: a checkout needs no build step
WHITENOISE_USE_FINDERS = True
SILENCED_SYSTEM_CHECKS = [
    "security.W004",  # HSTS, and
    "security.W008",  # the redirect to TLS belong to whatever ends TLS in front of us; with MANDATE_TLS=1 we send HSTS
]
