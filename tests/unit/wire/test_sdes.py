"""Keys in a session description (RFC 4568)."""

import base64

import pytest

from bridge.wire.sdes import SUITES, OfferedKey, crypto_line, read_keys
from bridge.wire.sdp_section import Attribute, Attributes, Crypto, MediaSection

SUITE = "AES_CM_128_HMAC_SHA1_80"
KEY = bytes(range(30))
TEXT = base64.b64encode(KEY).decode()


def read(*values: str) -> tuple[OfferedKey, ...]:
    lines = Attributes(tuple(Attribute("crypto", value) for value in values))
    return read_keys(MediaSection("audio", 4000, "RTP/SAVP", ("0",), lines).cryptos, SUITES)


@pytest.mark.parametrize(
    "value",
    [
        f"1 {SUITE} inline:{TEXT}",
        f"1 {SUITE} inline:{TEXT}|2^48",
        f"1 {SUITE} inline:{TEXT}|1048576",
        f"1 {SUITE} inline:{TEXT} WSH=64",
        f"1 {SUITE} inline:{TEXT} -SOMETHING=else",
        f"1 {SUITE} INLINE:{TEXT}|2^31 WSH=128 -X",
    ],
)
def test_a_line_that_can_be_done_is_read(value: str) -> None:
    assert read(value) == (OfferedKey(1, SUITES[SUITE], KEY),)


@pytest.mark.parametrize(
    "value",
    [
        f"1 F8_128_HMAC_SHA1_80 inline:{TEXT}",
        f"1 {SUITE} inline:{TEXT} KDR=1",
        f"1 {SUITE} inline:{TEXT} UNENCRYPTED_SRTP",
        f"1 {SUITE} inline:{TEXT} UNAUTHENTICATED_SRTP",
        f"1 {SUITE} inline:{TEXT} FEC_ORDER=FEC_SRTP",
        f"1 {SUITE} inline:{TEXT} WHAT=ever",
        f"1 {SUITE} inline:{TEXT} WSH=many",
        f"1 {SUITE} inline:{TEXT}|1:4|2^48",
        f"1 {SUITE} inline:{TEXT}|2^48|2^48|1:4",
        f"1 {SUITE} inline:{TEXT}|1:0",
        f"1 {SUITE} inline:{TEXT}|1:129",
        f"1 {SUITE} inline:{TEXT}|256:1",
        f"1 {SUITE} inline:{TEXT}|-1:4",
        f"1 {SUITE} inline:{TEXT}|:4",
        f"1 {SUITE} inline:{TEXT}|1:",
        f"1 {SUITE} inline:{TEXT}|1:4:4",
        f"1 {SUITE} inline:{TEXT}|{'9' * 400}:128",
        f"1 {SUITE} inline:{TEXT}|2^20|1:4;inline:{TEXT}|2^20|2:4",
        f"1 {SUITE} inline:{TEXT}|2^99",
        f"1 {SUITE} inline:{TEXT};inline:{TEXT}",
        f"1 {SUITE} inline:{TEXT[:-4]}",
        f"1 {SUITE} inline:!{TEXT[1:]}",
        f"1 {SUITE} uri:{TEXT}",
        f"x {SUITE} inline:{TEXT}",
        f"1 {SUITE}",
        f"1 {SUITE} inline:",
        f"1 {SUITE} inline:\N{LATIN SMALL LETTER E WITH ACUTE}",
    ],
)
def test_any_other_line_is_as_if_it_were_not_there(value: str) -> None:
    assert read(value) == ()
    assert [key.tag for key in read(value, f"2 {SUITE} inline:{TEXT}")] == [2]


@pytest.mark.parametrize("name", SUITES)
def test_each_suite_is_read_as_it_is_written(name: str) -> None:
    key = bytes(range(SUITES[name].size))
    line = crypto_line(7, name, key)
    assert read(line.value or "") == (OfferedKey(7, SUITES[name], key),)


def test_what_is_printed_has_no_key() -> None:
    assert TEXT not in repr(Crypto(1, SUITE, f"inline:{TEXT}"))
    assert str(KEY)[2:-1] not in repr(read(f"1 {SUITE} inline:{TEXT}"))


@pytest.mark.parametrize("lifetime", ["", "|2^20", "|1048576"])
@pytest.mark.parametrize(
    ("text", "mki"),
    [
        ("1:4", b"\0\0\0\1"),
        ("1:1", b"\1"),
        ("0:1", b"\0"),
        ("255:1", b"\xff"),
        ("258:128", bytes(126) + b"\1\2"),
    ],
)
def test_an_mki_is_read_as_it_is_written(lifetime: str, text: str, mki: bytes) -> None:
    (key,) = read(f"1 {SUITE} inline:{TEXT}{lifetime}|{text}")
    assert key.mki == mki
    assert read(crypto_line(1, SUITE, KEY, mki).value or "") == (key,)
    assert f"|{text}" in (crypto_line(1, SUITE, KEY, mki).value or "")
