"""The environment, read once and typed. Every variable Mandate knows is named here; a bad value fails loudly."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
SERVICES_FILE = "services.json"


class BadEnvironment(ValueError):
    """A variable has a value that cannot be used; the message says which and what to write instead."""


def text(name: str, default: str = "") -> str:
    """The variable, or the default when it is unset or empty."""
    return os.environ.get(name, "").strip() or default


def flag(name: str, *, default: bool) -> bool:
    """A yes-or-no variable: 1, true, yes or 0, false, no."""
    value = text(name).lower()
    if not value:
        return default
    if value in {"1", "true", "yes"}:
        return True
    if value in {"0", "false", "no"}:
        return False
    raise BadEnvironment(f'{name} is "{value}"; use 1 or 0')


def number(name: str, default: int, *, least: int = 0, most: int = 2**31) -> int:
    """A whole number within bounds."""
    value = text(name, str(default))
    if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
        raise BadEnvironment(f'{name} is "{value}"; use a whole number from {least} to {most}')
    return int(value)


def one_of(name: str, *known: str) -> str:
    """One of several words; the first is the default."""
    value = text(name, known[0])
    if value not in known:
        raise BadEnvironment(f'{name} is "{value}"; use {" or ".join(known)}')
    return value


def home() -> Path:
    """MANDATE_HOME: the folder that holds all state of one installation."""
    return Path(text("MANDATE_HOME", str(ROOT / ".mandate"))).expanduser().resolve()


def services(folder: Path | None = None) -> dict[str, str]:
    """What `manage.py up` wrote about the services of a home: their addresses, ports and passwords."""
    path = (folder or home()) / SERVICES_FILE
    if not path.is_file():
        return {}
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return found


@dataclass(frozen=True, slots=True)
class Database:
    """One PostgreSQL DSN taken apart for Django; `dsn` is the same for psycopg."""

    dsn: str

    def django(self) -> dict[str, Any]:
        """Django's DATABASES entry."""
        url = urlsplit(self.dsn)
        if url.scheme not in {"postgresql", "postgres"}:
            raise BadEnvironment(
                f'"{url.scheme}" is not PostgreSQL; write postgresql://user:password@host:5432/name'
            )
        query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(url.path.lstrip("/")),
            "USER": unquote(url.username or ""),
            "PASSWORD": unquote(url.password or ""),
            "HOST": query.pop("host", None) or url.hostname or "",
            "PORT": query.pop("port", None) or str(url.port or ""),
            "OPTIONS": query,
        }


def database_url() -> str:
    """DATABASE_URL: the application role."""
    return text("DATABASE_URL") or services().get("database_url", "")


def database_owner_url() -> str:
    """DATABASE_OWNER_URL: the migrator, who may SET ROLE to the owner."""
    return text("DATABASE_OWNER_URL") or services().get("database_owner_url", "")


def redis_url() -> str:
    """REDIS_URL: Redis or Valkey."""
    return text("REDIS_URL") or services().get("redis_url", "")
