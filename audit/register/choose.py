"""Which register an installation uses, written as one line: a folder, a PostgreSQL URL, or `s3://bucket/prefix`."""

from pathlib import Path

from audit.register.base import Register
from audit.register.bucket import BucketRegister
from audit.register.database import DatabaseRegister
from audit.register.file import FileRegister


def register(text: str) -> Register:
    """The register of that name. Raises ValueError."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        return FileRegister(Path(text))
    if scheme in {"postgresql", "postgres"}:
        return DatabaseRegister(text)
    if scheme == "s3":
        bucket, _, prefix = rest.partition("/")
        return BucketRegister(bucket, prefix)
    raise ValueError(
        f'"{scheme}" is no register; use a folder, postgresql://… or s3://bucket/prefix'
    )
