"""How the console writes money, moments, lengths of time and digests. Pure, except for Django's active time zone."""

from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from django.utils import timezone

from controlplane.kernel.money import NANO

_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "CHF": "CHF ", "JPY": "¥"}


def money(amount_nano: int, currency: str) -> str:
    """`€31,790.11`; below one unit up to six places (`€0.00148`), so that a single call's cost is never shown as nothing."""
    amount = Decimal(abs(amount_nano)) / NANO
    sign = "-" if amount_nano < 0 else ""
    symbol = _SYMBOLS.get(currency, f"{currency} ")
    if amount >= 1 or not amount:
        return f"{sign}{symbol}{amount.quantize(Decimal('0.01'), ROUND_HALF_UP):,}"
    text = f"{amount.quantize(Decimal('0.000001'), ROUND_HALF_UP)}"
    if Decimal(text) == 0:
        return f"{sign}under {symbol}0.000001"
    whole, places = text.split(".")
    return f"{sign}{symbol}{whole}.{places.rstrip('0').ljust(2, '0')}"


def rough(amount_nano: int, currency: str) -> str:
    """For key figures: two places from a cent on, below that as `money`."""
    if abs(amount_nano) < NANO // 100:
        return money(amount_nano, currency)
    cents = Decimal(amount_nano) / NANO
    return f"{_SYMBOLS.get(currency, f'{currency} ')}{cents.quantize(Decimal('0.01'), ROUND_HALF_UP):,}"


def count(number: int) -> str:
    """`7,402,118`."""
    return f"{number:,}"


def share(part: int, whole: int) -> str:
    """`0.28 %`, `83 %`; "0 %" of nothing."""
    if whole <= 0:
        return "0 %"
    percent = Decimal(part) * 100 / Decimal(whole)
    if 0 < percent < Decimal("0.01"):
        return "under 0.01 %"
    if percent >= 10 or percent == 0:
        return f"{percent.quantize(Decimal(1), ROUND_HALF_UP)} %"
    return f"{percent.quantize(Decimal('0.01'), ROUND_HALF_UP)} %"


def _here(at: datetime) -> datetime:
    return timezone.localtime(at)


def moment(at: datetime) -> str:
    """`Mon 23 Nov 2026, 14:20:07 CET`."""
    here = _here(at)
    return f"{here:%a} {here.day} {here:%b %Y, %H:%M:%S %Z}"


def minute(at: datetime) -> str:
    """`Mon 23 Nov, 14:20 CET`."""
    here = _here(at)
    return f"{here:%a} {here.day} {here:%b, %H:%M %Z}"


def second(at: datetime) -> str:
    """`Mon 23 Nov, 14:20:07 CET`: for lists."""
    here = _here(at)
    return f"{here:%a} {here.day} {here:%b, %H:%M:%S %Z}"


def clock(at: datetime) -> str:
    """`10:14:07.212 CET`."""
    here = _here(at)
    return f"{here:%H:%M:%S}.{here.microsecond // 1000:03d} {here:%Z}"


def day(at: datetime) -> str:
    """`23 Nov 2026`."""
    here = _here(at)
    return f"{here.day} {here:%b %Y}"


def lasting(length: timedelta) -> str:
    """`51 ms`, `3.42 s`, `16 min 41 s`, `3 h 5 min`, `9 days`."""
    millis = max(0, round(length.total_seconds() * 1000))
    if millis < 1000:
        return f"{millis} ms"
    seconds = millis // 1000
    if seconds < 60:
        return f"{millis / 1000:.2f} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    if seconds < 172_800:
        return f"{seconds // 3600} h {seconds % 3600 // 60} min"
    return f"{seconds // 86_400} days"


def ago(at: datetime, now: datetime) -> str:
    """`just now`, `40 s ago`, `3 min ago`, `5 h ago`, `2 days ago`."""
    seconds = int((now - at).total_seconds())
    if seconds < 2:
        return "just now"
    for size, name in ((86_400, "day"), (3600, "h"), (60, "min")):
        if seconds >= size:
            number = seconds // size
            return f"{number} {name}{'s' if name == 'day' and number > 1 else ''} ago"
    return f"{seconds} s ago"


def short(digest: str | bytes) -> str:
    """`4f3a2c79…01f1`: enough to compare by eye."""
    text = digest.hex() if isinstance(digest, bytes) else digest
    kept = 13 if text.startswith("call_") else 8
    return text if len(text) <= 16 else f"{text[:kept]}…{text[-4:]}"


def listed(names: list[str], joiner: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {joiner} {names[-1]}"
