"""What the address of a report may ask: the parameters its schema documents, and of a choice only what there is to choose."""

from collections.abc import Sequence

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from controlplane.kernel.errors import InvalidRequest

_SHOWN = 40


def documented(request: Request, parameters: Sequence[OpenApiParameter]) -> dict[str, str]:
    """The address's parameters. Raises InvalidRequest for one that is none, and for a choice that there is not.

    A figure of everything must not answer who misspelt what it should be of.
    """
    known = {one.name: one for one in parameters}
    address: dict[str, str] = request.query_params.dict()
    for name, value in address.items():
        if name not in known:
            raise InvalidRequest(f'"{name[:_SHOWN]}" is no parameter; there are {", ".join(known)}')
        choices = known[name].enum
        if choices and value and value not in choices:
            said = ", ".join(str(choice) for choice in choices)
            raise InvalidRequest(f'"{value[:_SHOWN]}" is no choice of {name}; there are {said}')
    return address
