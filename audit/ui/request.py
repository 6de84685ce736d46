"""Who is asking, from a request that `controlplane/middleware.py` has let through."""

from django.http import HttpRequest

from controlplane.kernel.errors import Unauthenticated
from controlplane.kernel.principal import Principal


def principal_of(request: HttpRequest) -> Principal:
    """The signed-in member. Raises Unauthenticated."""
    found = getattr(request, "principal", None)
    if not isinstance(found, Principal):
        raise Unauthenticated("sign in first")
    return found
