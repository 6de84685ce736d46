"""Webhook signatures, against the vector that the Standard Webhooks specification gives."""

import base64
import hashlib
import hmac

import pytest

from routing.notifications.signing import headers, key_of


def test_the_vector_of_the_specification() -> None:
    made = headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert made == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize(
    ("secret", "key"),
    [("plain-words", b"plain-words"), ("whsec_AAEC", b"\0\1\2"), ("whsec_no!base64", b"whsec_no!base64")],
)  # fmt: skip
def test_a_secret_that_is_no_base64_is_its_own_text(secret: str, key: bytes) -> None:
    assert key_of(secret) == key


@pytest.mark.parametrize("change", [{"message": "m2"}, {"at": 2}, {"body": b"x"}, {"secret": "b"}])
def test_id_time_and_body_are_all_signed(change: dict[str, object]) -> None:
    told: dict[str, object] = {"secret": "a", "message": "m", "at": 1, "body": b"{}"}
    first, second = headers(**told), headers(**told | change)  # type: ignore[arg-type] # a table of arguments
    assert first["webhook-signature"] != second["webhook-signature"]
    told_bytes = base64.b64encode(hmac.digest(b"a", b"m.1.{}", hashlib.sha256)).decode()
    assert first["webhook-signature"] == f"v1,{told_bytes}"
