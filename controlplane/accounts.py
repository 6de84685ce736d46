"""The front door for people: nobody signs up by themselves; members are invited. What happens at it is an entry."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from secrets import token_bytes
from uuid import UUID

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse

from policies.bundles.principals import with_teams
from policies.identity.credentials import read_pepper
from policies.identity.models import User
from policies.identity.sessions import begin, forget
from policies.order.entries import append_entry
from policies.order.lock import mandate_now

_NONCE = 12


class ClosedDoor(DefaultAccountAdapter):  # type: ignore[misc] # allauth is untyped
    """Sign-in only."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 - allauth's signature
        """Never: an account is made by a member who may, or by `init`."""
        return False

    def post_login(self, request: HttpRequest, user: User, **more: object) -> HttpResponse:
        """Whoever gets here has passed every stage."""
        with transaction.atomic():
            note("signin.succeeded", user)
        response: HttpResponse = super().post_login(request, user, **more)
        return response

    def login(self, request: HttpRequest, user: User) -> None:
        """Where the session begins."""
        super().login(request, user)
        begin(request)

    def reauthenticate(self, user: User, password: str) -> bool:
        """The password once more, before something grave. allauth would look for an address in a table that we leave empty."""
        return user.check_password(password)

    def set_password(self, user: User, password: str) -> None:
        """By the person, on the page that asks for the old one first. Every other session of theirs ends."""
        with transaction.atomic():
            super().set_password(user, password)
            forget(user, self.request.session.session_key)
            note("member.changed", user, what="password")


class Members(AuthenticationBackend):  # type: ignore[misc] # allauth is untyped
    """Who a session belongs to: the person with their teams, and whether there is a second factor, in one query."""

    def get_user(self, user_id: UUID) -> User | None:
        """The person, if they may sign in."""
        factor = Exists(Authenticator.objects.filter(user=OuterRef("pk")))
        user = with_teams(User.objects.filter(pk=user_id)).annotate(enrolled=factor).first()
        return user if user is not None and self.user_can_authenticate(user) else None


class SecondFactor(DefaultMFAAdapter):  # type: ignore[misc] # allauth is untyped
    """TOTP and recovery codes; the database holds their seeds under a key that lies in MANDATE_KEYS_DIR."""

    def encrypt(self, text: str) -> str:
        """AES-256-GCM under a key derived from the pepper."""
        nonce = token_bytes(_NONCE)
        return urlsafe_b64encode(nonce + _cipher().encrypt(nonce, text.encode(), None)).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """The counterpart; a seed that was sealed under another pepper raises InvalidTag."""
        sealed = urlsafe_b64decode(encrypted_text)
        return _cipher().decrypt(sealed[:_NONCE], sealed[_NONCE:], None).decode()


def note(kind: str, user: User, **data: object) -> None:
    """An entry of what a member did at the door, in the transaction that is open."""
    actor = f"member:{user.email}"
    append_entry(kind, actor=actor, at=mandate_now(), subject=actor, data=data)


def _cipher() -> AESGCM:
    pepper = read_pepper(settings.MANDATE_KEYS_DIR)
    return AESGCM(HKDF(SHA256(), 32, None, b"mandate second factor").derive(pepper))
