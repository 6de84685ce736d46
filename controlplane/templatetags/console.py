"""The few tags and filters that templates need: icons, badges, and the words of `audit/ui/words.py`."""

from datetime import datetime
from uuid import UUID

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from audit.api.reference import Group, reference
from audit.ui import words
from controlplane.kernel.ids import call_name

register = template.Library()

_STATES = {
    "permit": ("ok", "check"),
    "admitted": ("info", "arrow-right"),
    "running": ("info", "play"),
    "completed": ("ok", "check"),
    "held": ("warn", "hand"),
    "released": ("ok", "check"),
    "denied": ("bad", "cross-circle"),
    "deny": ("bad", "cross-circle"),
    "escalate": ("warn", "hand"),
    "failed": ("bad", "cross-circle"),
    "cancelled": ("", "close"),
    "reserved": ("info", "clock"),
    "started": ("info", "play"),
    "succeeded": ("ok", "check"),
    "unknown": ("warn", "alert"),
    "reconciled": ("ok", "refresh"),
    "voided": ("", "close"),
    "active": ("ok", "check"),
    "preview": ("info", "eye"),
    "deprecated": ("warn", "hourglass"),
    "retired": ("", "close"),
    "on": ("bad", "hand"),
    "lifted": ("", "check"),
}


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """One symbol of the sprite; always beside words, so hidden from screen readers."""
    return format_html(
        '<svg class="icon{}" aria-hidden="true"><use href="{}#{}"/></svg>',
        f" {classes}" if classes else "",
        static("mandate/icons.svg"),
        name,
    )


@register.simple_tag
def api_reference() -> tuple[Group, ...]:
    """Every operation of the API, for its reference page."""
    return reference()


@register.simple_tag
def badge(state: str, tone: str | None = None, symbol: str | None = None) -> SafeString:
    """A state in a colour, with a sign: `{% badge call.state %}`, `{% badge "drops gpt-large" "bad" "cross-circle" %}`."""
    known_tone, known_symbol = _STATES.get(state, ("", "info"))
    tone = known_tone if tone is None else tone
    return format_html(
        '<span class="badge{}">{}{}</span>',
        f" badge-{tone}" if tone else "",
        icon(symbol or known_symbol, "icon-small"),
        state,
    )


@register.simple_tag
def when(at: datetime | None, style: str = "moment") -> SafeString:
    """A `<time>` element; style is moment, minute, second, clock, day or ago."""
    if at is None:
        return format_html("{}", "never")
    shown = words.ago(at, timezone.now()) if style == "ago" else getattr(words, style)(at)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', at.isoformat(), words.moment(at), shown
    )


@register.filter
def money(amount_nano: int, currency: str) -> str:
    """Nano units in the organisation's currency."""
    return words.money(amount_nano, currency)


@register.filter
def count(number: int) -> str:
    """A whole number with separators."""
    return words.count(number)


@register.filter
def short(digest: str | bytes) -> str:
    """The two ends of a digest."""
    return words.short(digest)


@register.filter
def called(call: UUID) -> str:
    """A call's public name."""
    return call_name(call)
