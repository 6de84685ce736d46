"""What makes something may carry an `Idempotency-Key`: the same request again gets the same answer."""

from collections.abc import Callable
from typing import Any, Final

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.kernel.principal import Principal
from policies.identity.checks import pepper
from policies.repeats.once import LEAST_KEY, Sealing, once

KEY: Final = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="the same key with the same request gets the same answer for 24 hours",
)
SECRET_KEY: Final = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description=f"at least {LEAST_KEY} characters that nobody guesses: the same key with the same request gets the same answer "
    "for 24 hours, with the secret",
)


def answered(
    request: Request,
    principal: Principal,
    work: Callable[[], tuple[int, Any]],
    secret: str = "",
) -> Response:
    """The answer of `work`, or the one that the same Idempotency-Key got before. `secret` names its member that is one."""
    key = request.headers.get("idempotency-key")
    if key is None:
        status, answer = work()
    else:
        told = [request.method, request.path, request.data]
        sealing = Sealing(secret, pepper()) if secret else None
        status, answer = once(principal.actor, key, told, work, sealing)
    return Response(answer, status=status)
