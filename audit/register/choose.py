"""Which register an installation uses, written as one line: a folder, a PostgreSQL URL, or `s3://bucket/prefix`."""

from importlib import import_module
from pathlib import Path

from audit.register.base import Register
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
        return _bucket(bucket, prefix)
    raise ValueError(
        f'"{scheme}" is no register; use a folder, postgresql://… or s3://bucket/prefix'
    )


def _bucket(bucket: str, prefix: str) -> Register:
    """Its SDK is an extra, loaded where it is named."""
    try:
        module = import_module("audit.register.bucket")
    except ImportError as error:
        raise ValueError(
            "a register in a bucket needs boto3: pip install -r requirements/aws.txt"
        ) from error
    found: Register = module.BucketRegister(bucket, prefix)
    return found
