"""Why a call of ours came to nothing: each SIP status as a code for programs and words for people."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class CallFailure:
    """`hopeless`: such a number will not do better at the next attempt."""

    code: str
    text: str
    hopeless: bool = False


_NOBODY = CallFailure("no_answer", "nobody answered")
_BUSY = CallFailure("busy", "the line is busy")
_DECLINED = CallFailure("declined", "the call was declined", hopeless=True)
_UNKNOWN = CallFailure("unknown_number", "there is no such number", hopeless=True)
_NOT_THERE = CallFailure("unavailable", "the phone is switched off or not registered")
_FORBIDDEN = CallFailure("forbidden", "the provider does not allow this call")
_UNAUTHORIZED = CallFailure("unauthorized", "the provider does not accept our credentials")
_NO_COMMON_MEDIA = CallFailure("not_acceptable", "the phone takes no call of this kind")
_CANCELED = CallFailure("canceled", "the call was taken back")
_NO_WAY = CallFailure("no_route", "no way leads to this number")
_OVERLOADED = CallFailure("overloaded", "the provider is overloaded or out of service")
_REFUSED = CallFailure("refused", "the call was refused")
_BROKEN = CallFailure("provider_error", "the provider failed to make the call")
_NOT_MADE = CallFailure("not_made", "the call could not be made")

# RFC 3261 section 21, RFC 4412, RFC 5393, RFC 6910, RFC 8197, RFC 8688.
FAILURES: Mapping[int, CallFailure] = {
    300: _NO_WAY,
    301: CallFailure("moved", "the number has changed", hopeless=True),
    302: _NO_WAY,
    305: _NO_WAY,
    380: _NO_WAY,
    401: _UNAUTHORIZED,
    403: _FORBIDDEN,
    404: _UNKNOWN,
    405: _NO_COMMON_MEDIA,
    406: _NO_COMMON_MEDIA,
    407: _UNAUTHORIZED,
    408: _NOBODY,
    410: CallFailure("moved", "the number has changed", hopeless=True),
    413: _NO_COMMON_MEDIA,
    415: _NO_COMMON_MEDIA,
    416: _NO_WAY,
    420: _NO_COMMON_MEDIA,
    480: _NOT_THERE,
    482: _NO_WAY,
    483: _NO_WAY,
    484: CallFailure("incomplete_number", "the number is incomplete", hopeless=True),
    485: CallFailure("ambiguous_number", "the number is ambiguous", hopeless=True),
    486: _BUSY,
    487: _CANCELED,
    488: _NO_COMMON_MEDIA,
    500: _BROKEN,
    502: _BROKEN,
    503: _OVERLOADED,
    504: _NO_WAY,
    600: _BUSY,
    603: _DECLINED,
    604: CallFailure("unknown_number", "there is no such number", hopeless=True),
    606: _NO_COMMON_MEDIA,
    607: CallFailure("unwanted", "the called party wants no calls from us", hopeless=True),
    608: CallFailure("rejected", "the call was taken for an unwanted one"),
}
RANG_OUT = f"{_NOBODY.code}: {_NOBODY.text}"  # why one is out whose phone rang for too long
_OTHERS: Mapping[int, CallFailure] = {3: _NO_WAY, 4: _REFUSED, 5: _BROKEN, 6: _DECLINED}


def failure_of(status: int) -> CallFailure:
    """What a final SIP status says; 0 is a call that never left the bridge."""
    return FAILURES.get(status) or _OTHERS.get(status // 100, _NOT_MADE)
