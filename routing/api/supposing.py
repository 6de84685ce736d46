"""`/api/v1/calls/{id}/test/`: a PolicyTest of a recorded call, in a change request."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api.base import ApiView
from controlplane.kernel.errors import NotFound
from controlplane.kernel.ids import parse_call_name
from policies.api.once import KEY, answered
from policies.changes.supposing import suppose
from routing.calls.access import get


class Supposed(serializers.Serializer[Any]):
    """The change request that has the test; `leftOut` says what of the call does not stand in it."""

    changeRequest = serializers.UUIDField()  # noqa: N815 - the API's spelling
    name = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment] # DRF's metaclass takes fields off the class
    leftOut = serializers.ListField(child=serializers.CharField())  # noqa: N815 - the API's spelling


class MakeTest(ApiView):
    """A test of a call."""

    @extend_schema(
        operation_id="calls_test", request=None, responses={201: Supposed}, parameters=[KEY]
    )
    def post(self, request: Request, name: str) -> Response:
        """Draft a PolicyTest that expects what was decided. Nothing that was only committed is in it."""
        try:
            call = get(self.principal, parse_call_name(name))
        except ValueError:
            raise NotFound(f'there is no call "{name}"') from None

        def work() -> tuple[int, Any]:
            made = suppose(self.principal, call.id, call.tenant)
            return 201, {
                "changeRequest": str(made.change.id),
                "name": made.test.name,
                "source": made.test.text,
                "leftOut": list(made.test.left_out),
            }

        return answered(request, self.principal, work)
