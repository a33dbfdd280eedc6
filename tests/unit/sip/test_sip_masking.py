"""What people read of a message has no keys, no credentials, no digits."""

from hypothesis import given
from hypothesis import strategies as st

from signaling.sip.diagnosis.masking import mask, summary

INVITE = (
    b"INVITE sip:desk@bridge SIP/2.0\r\nVia: SIP/2.0/UDP phone;branch=z9hG4bK1\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\n"
    b'Proxy-Authorization: Digest username="bob", response="6629fae49393a05397450978507c4ef1"\r\n'
    b"Content-Type: application/sdp\r\n\r\nv=0\r\nm=audio 4000 RTP/SAVP 0\r\n"
    b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20\r\n"
    b"a=ice-pwd:asd88fgpdd777uzjYhagZg\r\nk=base64:c2VjcmV0\r\na=sendrecv\r\n"
)
INFO = (
    b"INFO sip:desk@bridge SIP/2.0\r\nCall-ID: a\r\nCSeq: 2 INFO\r\n"
    b"c: application/dtmf-relay\r\n\r\nSignal=7\r\nDuration=160\r\n"
)
SECRETS = ("6629fae4", "WVNfX19z", "asd88fgpdd", "c2VjcmV0")


def test_keys_and_credentials_are_masked_and_the_rest_stays() -> None:
    text = mask(INVITE)
    assert not [secret for secret in SECRETS if secret in text]
    assert "Proxy-Authorization: Digest ***" in text
    assert "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***" in text
    assert "a=sendrecv" in text
    assert text.startswith("INVITE sip:desk@bridge SIP/2.0\nVia: SIP/2.0/UDP phone;branch=z9hG4bK1\n")


def test_bare_line_feeds_and_folded_lines_hide_nothing() -> None:
    folded = INVITE.replace(b", response=", b",\r\n response=").replace(b"\r\n", b"\n")
    assert not [secret for secret in SECRETS if secret in mask(folded)]


def test_a_body_other_than_sdp_is_only_named() -> None:
    text = mask(INFO)
    assert "Signal" not in text
    assert text.endswith("(a body of application/dtmf-relay, ***)")


def test_a_summary_says_what_it_is_and_carries() -> None:
    assert summary(INVITE) == "INVITE sip:desk@bridge (sdp)"
    assert summary(INFO) == "INFO sip:desk@bridge (dtmf-relay)"
    assert summary(b"SIP/2.0 200 OK\r\nCSeq: 7 BYE\r\n\r\n") == "200 OK BYE"


@given(st.binary(max_size=400))
def test_anything_can_be_masked(data: bytes) -> None:
    assert isinstance(mask(data), str)
    assert "\n" not in summary(data)


@given(st.text(alphabet=st.characters(codec="ascii", exclude_characters="*"), max_size=60))
def test_whatever_the_digits_are_they_are_not_in_the_text(signal: str) -> None:
    marked = f"Signal={signal}<end>"
    message = INFO.replace(b"Signal=7", marked.encode())
    assert marked not in mask(message)
