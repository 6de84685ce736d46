"""The front door for people: nobody signs up by themselves; members are invited."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class ClosedDoor(DefaultAccountAdapter):  # type: ignore[misc] # allauth is untyped
    """Sign-in only."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 - allauth's signature
        """Never: an account is made by a member who may, or by `init`."""
        return False
