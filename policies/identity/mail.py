"""Mail an invitation, where the operator has named a mail server; the link is shown to whoever invites in any case."""

import smtplib

from django.conf import settings
from django.core.mail import send_mail

_TEXT = """\
{inviter} invites you to {organisation}'s Mandate, the control plane for its use of AI models.

Open this link within seven days, choose a password, and sign in. It works once:

{link}

If you did not expect this, do nothing: without the link nobody becomes a member in your name.
"""


def mail_invitation(address: str, link: str, *, inviter: str, organisation: str) -> bool:
    """Whether it was handed to the mail server; False where none is configured or it refused."""
    if not settings.MANDATE_MAIL_FROM:
        return False
    text = _TEXT.format(inviter=inviter, organisation=organisation, link=link)
    try:
        sent = send_mail(
            f"{organisation}: your invitation to Mandate",
            text,
            settings.MANDATE_MAIL_FROM,
            [address],
        )
    except (OSError, smtplib.SMTPException):
        return False
    return bool(sent)
