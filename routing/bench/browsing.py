"""A browser without a screen: signs in by the form, keeps its cookies, follows where it is sent."""

import re
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, Request, build_opener

from routing.bench.calls import Mismatch

_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
_SECONDS = 120


class Browser:
    """One member's browser at one console."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opener: OpenerDirector = build_opener(HTTPCookieProcessor(CookieJar()))

    def sign_in(self, email: str, password: str) -> None:
        """By the form. Raises Mismatch where it does not let in."""
        self.post("/account/login/", {"login": email, "password": password})
        if b"/account/login/" in self.get("/"):
            raise Mismatch(f"{email} could not sign in")

    def get(self, path: str) -> bytes:
        """A page or a file, read to its end. Raises Mismatch where it is not there."""
        return self._ask(Request(self._url + path))  # noqa: S310 - loopback

    def post(self, path: str, form: dict[str, str]) -> bytes:
        """Fill in the form of a page and send it. Raises Mismatch."""
        token = _TOKEN.search(self.get(path).decode())
        if token is None:
            raise Mismatch(f"{path} has no form")
        body = urlencode({**form, "csrfmiddlewaretoken": token[1]}).encode()
        return self._ask(Request(self._url + path, body, {"referer": self._url}))  # noqa: S310 - loopback

    def _ask(self, asked: Request) -> bytes:
        try:
            with self._opener.open(asked, timeout=_SECONDS) as answer:
                return bytes(answer.read())
        except HTTPError as error:
            raise Mismatch(f"{asked.full_url} answers {error.code}") from error
