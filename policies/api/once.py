"""What makes something may carry an `Idempotency-Key`: the same request again gets the same answer."""

from collections.abc import Callable
from typing import Any, Final

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.kernel.principal import Principal
from policies.repeats.once import once

KEY: Final = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="the same key with the same request gets the same answer for 24 hours",
)


def answered(
    request: Request, principal: Principal, work: Callable[[], tuple[int, Any]]
) -> Response:
    """The answer of `work`, or the one that the same Idempotency-Key got before."""
    key = request.headers.get("idempotency-key")
    if key is None:
        status, answer = work()
    else:
        told = [request.method, request.path, request.data]
        status, answer = once(principal.actor, key, told, work)
    return Response(answer, status=status)
