"""Everything a decision may look at, as one plain, content-free value; recorded, so that it can be made again."""

from typing import Annotated, Final, Literal

import msgspec
import rfc8785

from controlplane.kernel.errors import InvalidRequest, TooLarge
from policies.engine.values import CelError, moment

MAX_BYTES: Final = 16 * 1024

# what is read back is held to these; what our own code builds has them by construction
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Amount = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,15}(\.[0-9]{1,12})?$")]
Draw = Annotated[str, msgspec.Meta(pattern="^[0-9]{1,20}$")]
Now = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(19[7-9][0-9]|2[0-9]{3})-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z$"
    ),
]


class Fact(msgspec.Struct, frozen=True, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """The base of every part: immutable, camelCase outside, unknown fields refused."""


class KeyFacts(Fact, frozen=True, kw_only=True):
    """The API key that was shown. `labels` are the key's own."""

    id: str
    labels: dict[str, str] = {}


class UserFacts(Fact, frozen=True, kw_only=True):
    """The end user a caller names: `ref` is the commitment (hex), never the name; empty when none was given."""

    known: bool = False
    ref: str = ""


class RequestFacts(Fact, frozen=True, kw_only=True):
    """The shape of the request. Token bounds: `input_tokens_max` is never exceeded, `input_tokens_estimate` is the likely figure.

    `needs` are model capabilities the request cannot do without; `output_tokens_asked` is 0 when the caller set no limit.
    `labels` and `tools` have only what a rule names (`policies.engine.reads`); the commitments (hex, empty without any) are
    to the others. `labels_given` names those of `labels` that the caller did not send and a document required
    (`policies.engine.required`); it is absent where there are none. `input_unbounded`: a document lies elsewhere, so that
    the tokens of input are bounded by a model's context window alone; absent where none does. `service_tier` is the one
    that the caller asks for where it is billed at another price; absent for the ordinary one.
    """

    dialect: str
    data_classes: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    input_tokens_max: Count = 0
    input_tokens_estimate: Count = 0
    output_tokens_asked: Count = 0
    stream: bool = False
    n: Count = 1
    language: str = ""
    labels: dict[str, str] = {}
    labels_committed: str = ""
    labels_given: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    input_unbounded: bool | msgspec.UnsetType = msgspec.UNSET
    service_tier: Literal["flex"] | msgspec.UnsetType = msgspec.UNSET
    tools_committed: str = ""


class RunFacts(Fact, frozen=True, kw_only=True):
    """What the calls of the same run came to so far; `cost` is a decimal in the organisation's currency.

    `id` is the tenant's commitment to its name (hex), the same for all calls of the run; empty without one.
    """

    id: str = ""
    calls: Count = 0
    cost: Amount = "0.00"
    seconds: Count = 0


class BudgetFacts(Fact, frozen=True, kw_only=True):
    """The last read of one budget window: how much is used, in thousandths, and how old the reading is. It decides no money."""

    name: str
    tenant: str = ""
    subject: str = ""
    share_used_permille: Count = 0
    age_seconds: Count = 0


class StopFact(Fact, frozen=True, kw_only=True):
    """A kill switch that is on. `kind` is model, provider, route, tenant, key or everything; `name` is empty for the last."""

    kind: str
    tenant: str = ""
    name: str = ""
    id: str = ""


class ShadowFacts(Fact, frozen=True, kw_only=True):
    """A shadow run: `of` is the call that it is asked beside (32 hex digits), `model` the one that it may go to."""

    of: str
    model: str


class Facts(Fact, frozen=True, kw_only=True):
    """One call as the decision sees it.

    `now` is RFC 3339 in UTC with milliseconds. `call` is 32 hex digits. `draw` is a decimal of 64 bits.
    `breakers_open` and `exclude` name models as `name` or `tenant/name`. `clamp` is the most output tokens that
    admission found money for (0: not clamped). `exhausted` names budgets alike that have no money for the call and
    would have a person look at it; it is absent where there are none. `shadow` says that the call is a shadow run; it is
    absent for every call of a caller.
    """

    now: Now
    call: str
    tenant: str
    team: str
    key: KeyFacts
    route: str
    request: RequestFacts
    draw: Draw = "0"
    user: UserFacts = UserFacts()
    run: RunFacts = RunFacts()
    budgets: tuple[BudgetFacts, ...] = ()
    stops: tuple[StopFact, ...] = ()
    breakers_open: tuple[str, ...] = ()
    clamp: Count = 0
    exclude: tuple[str, ...] = ()
    exhausted: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    shadow: ShadowFacts | msgspec.UnsetType = msgspec.UNSET


def draw_of(call_digest: bytes) -> str:
    """The fact `draw` from the SHA-256 of the call id: its first eight bytes as a decimal."""
    return str(int.from_bytes(call_digest[:8]))


_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder(Facts)


def encode(facts: Facts) -> bytes:
    """Canonical JSON (RFC 8785) of at most 16 KiB. Raises TooLarge."""
    text = _encoder.encode(facts)
    if not text.isascii():
        # RFC 8785 orders keys by UTF-16 units, msgspec by code points
        text = rfc8785.dumps(msgspec.json.decode(text))
    if len(text) > MAX_BYTES:
        raise TooLarge(
            f"the facts of this call take {len(text)} bytes, at most {MAX_BYTES} are recorded; send fewer labels or tools"
        )
    return text


def decode(text: bytes) -> Facts:
    """The reverse of `encode`. Raises InvalidRequest."""
    try:
        facts = _decoder.decode(text)
        moment(facts.now)
    except (msgspec.MsgspecError, CelError) as error:
        raise InvalidRequest(f"these are not facts: {error}") from error
    return facts
