"""Whether spans are collected: only where the environment names a collector. Else the exporter is not even loaded.

The variables are OpenTelemetry's own: OTEL_EXPORTER_OTLP_ENDPOINT (or _TRACES_ENDPOINT), _HEADERS, OTEL_SERVICE_NAME,
OTEL_TRACES_SAMPLER with _ARG, OTEL_TRACES_EXPORTER, OTEL_SDK_DISABLED.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from controlplane import env
from controlplane.kernel import tracing

if TYPE_CHECKING:
    from controlplane.otel import Otel, Sender

_senders: list["Sender"] = []


def configured() -> bool:
    """A collector is named, or an exporter is (then it is on this machine), and nothing says no."""
    if env.flag("OTEL_SDK_DISABLED", default=False):
        return False
    exporter = env.text("OTEL_TRACES_EXPORTER")
    if exporter not in {"", "otlp", "none"}:
        raise env.BadEnvironment(f'OTEL_TRACES_EXPORTER is "{exporter}"; use otlp or none')
    named = env.text("OTEL_EXPORTER_OTLP_ENDPOINT") or env.text(
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
    )
    return exporter != "none" and bool(named or exporter)


def endpoint() -> str:
    """The full address for traces. Raises BadEnvironment."""
    base = env.text("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318").rstrip("/")
    url = env.text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{base}/v1/traces")
    if urlsplit(url).scheme not in {"http", "https"}:
        raise env.BadEnvironment(
            f'"{url}" is no collector; write http://host:4318 (OTLP over HTTP, not gRPC)'
        )
    return url


def headers() -> Mapping[str, str]:
    """`name=value,name=value`, percent-encoded, as OpenTelemetry writes them."""
    text = env.text("OTEL_EXPORTER_OTLP_TRACES_HEADERS") or env.text("OTEL_EXPORTER_OTLP_HEADERS")
    pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs}


def share() -> float:
    """How many of all calls are recorded: all, but for the `…traceidratio` samplers. Raises BadEnvironment."""
    if not env.text("OTEL_TRACES_SAMPLER").endswith("traceidratio"):
        return 1.0
    text = env.text("OTEL_TRACES_SAMPLER_ARG", "1.0")
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0.0 <= found <= 1.0:
        raise env.BadEnvironment(
            f'OTEL_TRACES_SAMPLER_ARG is "{text}"; use a number from 0.0 to 1.0'
        )
    return found


def begin(role: str) -> "Otel | None":
    """Collect this process's spans, where configured. Raises BadEnvironment."""
    if not configured():
        return None
    from controlplane import otel  # noqa: PLC0415 - nobody pays for what is not configured

    about = {"service.name": env.text("OTEL_SERVICE_NAME", "mandate"), "mandate.role": role}
    sender = otel.Sender(otel.Collector(endpoint(), headers(), about))
    recorder = otel.Otel(sender.put, share())
    tracing.record_with(recorder)
    _senders.append(sender)
    return recorder


def end() -> None:
    """Stop collecting; what is left is sent, within a second."""
    tracing.record_with(None)
    while _senders:
        _senders.pop().close()
