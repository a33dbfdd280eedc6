"""SRTP with a phone by SDES (RFC 4568): who may do without, which keys are whose, and when they change."""

import base64
import re
from pathlib import Path

import pytest

from bridge.errors import NegotiationError
from bridge.negotiation import PhonePreferences, PhoneSession
from bridge.negotiation.phone.transport import SrtpUse, derived_keys
from bridge.plane.messages import SrtpKeys
from bridge.wire.sdes import SUITES
from bridge.wire.sdp import parse_session_description
from bridge.wire.sdp_section import Crypto, Direction, MediaSection

SAMPLES = Path(__file__).parents[2] / "data" / "sdp"
SUITE = "AES_CM_128_HMAC_SHA1_80"
SECURE = ("RTP/SAVP", "RTP/SAVPF")
PLAIN = ("RTP/AVP", "RTP/AVPF")


KEYS = derived_keys(b"a secret of the tests")


def session(use: SrtpUse = "mandatory", name: int = 7) -> PhoneSession:
    made = PhoneSession(name, PhonePreferences(codecs=("PCMU",), srtp=use, srtp_keys=KEYS))
    made.place("192.0.2.1", 10_002)
    return made


def crypto(tag: int = 1, suite: str = SUITE, fill: int = 0xEE) -> str:
    return f"a=crypto:{tag} {suite} inline:{base64.b64encode(phone_key(suite, fill)).decode()}\r\n"


def phone_key(suite: str = SUITE, fill: int = 0xEE) -> bytes:
    return bytes([fill] * SUITES[suite].size)


def description(protocol: str, lines: str = "") -> str:
    return (
        "v=0\r\no=- 1 1 IN IP4 192.0.2.20\r\ns=-\r\nc=IN IP4 192.0.2.20\r\nt=0 0\r\n"
        f"m=audio 4000 {protocol} 0\r\n{lines}"
    )


def section_of(text: str) -> MediaSection:
    return parse_session_description(text).media[0]


def our_key(text: str) -> tuple[Crypto, ...]:
    return section_of(text).cryptos


def agreed(phone: PhoneSession) -> SrtpKeys | None:
    assert phone.audio is not None
    return phone.audio.srtp


@pytest.mark.parametrize("use", ["optional", "mandatory"])
@pytest.mark.parametrize("protocol", [*SECURE, *PLAIN])
def test_keys_that_come_are_answered_whatever_the_m_line_says(use: SrtpUse, protocol: str) -> None:
    """baresip's mediaenc=srtp writes RTP/AVP with a=crypto."""
    phone = session(use)
    phone.receive_offer(description(protocol, crypto(tag=3)))
    answer = phone.answer()
    assert section_of(answer).protocol == protocol
    (line,) = our_key(answer)
    keys = agreed(phone)
    assert keys is not None
    assert (line.tag, line.suite) == (3, SUITE)
    assert line.key_parameters == "inline:" + base64.b64encode(keys.local_key).decode()
    assert keys.remote_key == phone_key()
    assert keys.local_key != keys.remote_key


@pytest.mark.parametrize(
    ("use", "protocol", "lines"),
    [
        *[("off", protocol, crypto()) for protocol in SECURE],
        *[("mandatory", protocol, "") for protocol in PLAIN + SECURE],
        *[("optional", protocol, "") for protocol in SECURE],
        ("mandatory", "RTP/SAVP", crypto().replace("\r\n", " KDR=3\r\n")),
        ("mandatory", "RTP/AVP", crypto().replace(SUITE, "F8_128_HMAC_SHA1_80")),
        ("mandatory", "UDP/TLS/RTP/SAVPF", crypto()),
    ],
)
def test_an_offer_against_the_policy_is_refused(use: SrtpUse, protocol: str, lines: str) -> None:
    phone = session(use)
    with pytest.raises(NegotiationError):
        phone.receive_offer(description(protocol, lines))


@pytest.mark.parametrize(("use", "lines"), [("off", crypto()), ("optional", ""), ("off", "")])
def test_plain_rtp_is_taken_where_it_may_be(use: SrtpUse, lines: str) -> None:
    phone = session(use)
    phone.receive_offer(description("RTP/AVP", lines))
    assert agreed(phone) is None
    assert our_key(phone.answer()) == ()


def test_a_real_phone_that_insists_gets_its_keys() -> None:
    phone = PhoneSession(7, PhonePreferences(srtp="optional"))
    phone.receive_offer((SAMPLES / "baresip_srtp_mand_offer.sdp").read_text())
    keys = agreed(phone)
    assert keys is not None
    assert keys.remote_key == bytes(30)
    assert len(keys.local_key) == 30


def test_of_a_section_twice_described_the_encrypted_one_is_taken() -> None:
    phone = session("optional")
    phone.receive_offer(description("RTP/AVP", f"m=audio 5000 RTP/SAVP 0\r\n{crypto()}"))
    ports = [section.port for section in parse_session_description(phone.answer()).media]
    assert ports == [0, 10_002]
    assert agreed(phone) is not None


def test_the_phones_first_line_the_bridge_can_do_is_chosen() -> None:
    phone = session()
    lines = crypto(1, "AES_256_CM_HMAC_SHA1_32").replace("\r\n", " KDR=2\r\n")
    phone.receive_offer(
        description("RTP/SAVP", lines + crypto(2, "AES_256_CM_HMAC_SHA1_80") + crypto(3, "AEAD_AES_128_GCM"))
    )
    keys = agreed(phone)
    assert keys is not None
    assert (keys.suite, len(keys.local_key)) == ("AES_256_CM_HMAC_SHA1_80", 46)
    assert our_key(phone.answer())[0].tag == 2


def test_another_key_of_the_phone_is_taken_and_ours_stays() -> None:
    phone = session()
    phone.receive_offer(description("RTP/SAVP", crypto()))
    before = agreed(phone)
    phone.receive_offer(description("RTP/SAVP", crypto(fill=0xAA)))
    after = agreed(phone)
    assert before is not None
    assert after == SrtpKeys(SUITE, before.local_key, phone_key(fill=0xAA))


def test_another_suite_means_another_key_of_ours() -> None:
    phone = session()
    phone.receive_offer(description("RTP/SAVP", crypto()))
    before = agreed(phone)
    phone.receive_offer(description("RTP/SAVP", crypto(suite="AEAD_AES_256_GCM")))
    after = agreed(phone)
    assert before is not None
    assert after is not None
    assert after.suite == "AEAD_AES_256_GCM"
    assert after.local_key[:16] != before.local_key[:16]


@pytest.mark.parametrize(("use", "protocol"), [("optional", "RTP/AVP"), ("mandatory", "RTP/SAVP")])
def test_an_offer_has_a_key_for_each_suite_and_the_answer_chooses(use: SrtpUse, protocol: str) -> None:
    phone = session(use)
    offer = phone.offer()
    assert section_of(offer).protocol == protocol
    lines = our_key(offer)
    assert [line.suite for line in lines] == list(SUITES)
    assert len({line.key_parameters for line in lines}) == len(SUITES)
    chosen = lines[2]
    phone.receive_answer(description(protocol, crypto(chosen.tag, chosen.suite)))
    keys = agreed(phone)
    assert keys is not None
    assert chosen.key_parameters.endswith(base64.b64encode(keys.local_key).decode())
    phone.want(Direction.SENDONLY)
    hold = phone.offer()
    assert our_key(hold) == (chosen,), "a re-INVITE says the same key again"


def test_an_optional_offer_may_be_answered_plain_and_stays_so() -> None:
    phone = session("optional")
    phone.offer()
    phone.receive_answer(description("RTP/AVP"))
    assert agreed(phone) is None
    assert our_key(phone.offer()) == ()


@pytest.mark.parametrize(
    "answer",
    [
        description("RTP/SAVP"),
        description(
            "RTP/SAVP", "a=crypto:1 F8_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n"
        ),
        description("RTP/AVP"),
    ],
)
def test_an_answer_that_does_without_what_is_mandatory_is_refused(answer: str) -> None:
    """baresip accepts an answer without a=crypto to its own srtp-mand; the bridge does not."""
    phone = session()
    phone.offer()
    with pytest.raises(NegotiationError):
        phone.receive_answer(answer)


@pytest.mark.parametrize(("use", "protocol"), [("mandatory", "RTP/SAVP"), ("optional", "RTP/AVP")])
@pytest.mark.parametrize(("tag", "suite"), [(1, SUITE), (9, SUITE), (1, "AES_256_CM_HMAC_SHA1_80")])
def test_an_answer_that_numbers_its_key_anew_is_known_by_its_suite(
    use: SrtpUse, protocol: str, tag: int, suite: str
) -> None:
    phone = session(use)
    ours = next(line for line in our_key(phone.offer()) if line.suite == suite)
    phone.receive_answer(description(protocol, crypto(tag=tag, suite=suite)))
    keys = agreed(phone)
    assert keys is not None
    assert (keys.suite, keys.remote_key) == (suite, phone_key(suite))
    assert base64.b64decode(ours.key_parameters.removeprefix("inline:")) == keys.local_key


def test_two_bridges_agree_and_hear_each_other() -> None:
    caller, callee = session(name=7), session(name=8)
    callee.receive_offer(caller.offer())
    caller.receive_answer(callee.answer())
    one, other = agreed(caller), agreed(callee)
    assert one is not None
    assert other is not None
    assert one.suite == "AEAD_AES_128_GCM"
    assert (one.local_key, one.remote_key) == (other.remote_key, other.local_key)
    assert caller.audio is not None
    assert caller.audio.rtcp_mux


def test_what_is_remembered_has_no_keys_and_the_next_offer_has_ours_again() -> None:
    """baresip does not take another key in a re-INVITE; ours is derived anew and was never kept."""
    phone = session("optional")
    phone.receive_offer(description("RTP/AVP", crypto()))
    before = agreed(phone)
    assert before is not None
    kept = phone.remember()
    for secret in (before.local_key, before.remote_key):
        assert base64.b64encode(secret) not in kept
    assert not re.search(rb"inline:", kept)
    preferences = PhonePreferences(codecs=("PCMU",), srtp="optional", srtp_keys=KEYS)
    again = PhoneSession.recall(kept, preferences)
    again.place("192.0.2.1", 10_004)
    assert again.audio is not None
    assert not again.audio.sends, "plain RTP to a phone that expects SRTP would be noise"
    lines = our_key(again.offer())
    assert [line.suite for line in lines] == [SUITE], "a phone asked to change the suite may not do it"
    again.receive_answer(description("RTP/AVP", crypto(lines[0].tag, lines[0].suite)))
    after = agreed(again)
    assert after is not None
    assert after.local_key == before.local_key
    assert again.audio.sends


def test_no_two_calls_media_or_suites_have_a_key_in_common() -> None:
    offers = [session(name=number).offer() for number in range(20)]
    keys = [line.key_parameters for text in offers for line in our_key(text)]
    assert len(set(keys)) == 20 * len(SUITES)
    assert len({key[:24] for key in keys}) == len(keys)
    assert derived_keys(b"another secret")("1/audio/x", 30) != KEYS("1/audio/x", 30)


def test_a_plain_call_that_is_remembered_stays_plain() -> None:
    phone = session("optional")
    phone.receive_offer(description("RTP/AVP", "a=rtcp-mux\r\n"))
    again = PhoneSession.recall(phone.remember(), PhonePreferences(srtp="optional"))
    again.place("192.0.2.1", 10_004)
    assert again.audio is not None
    assert again.audio.sends
    assert our_key(again.offer()) == ()


@pytest.mark.parametrize("offered", [True, False])
def test_rtcp_shares_the_port_when_both_say_so(*, offered: bool) -> None:
    phone = session("off")
    phone.receive_offer(description("RTP/AVP", "a=rtcp-mux\r\n" if offered else ""))
    assert section_of(phone.answer()).attributes.has("rtcp-mux") is offered
    assert phone.audio is not None
    assert phone.audio.rtcp_mux is offered
    caller = session("off")
    assert section_of(caller.offer()).attributes.has("rtcp-mux")
    caller.receive_answer(description("RTP/AVP", "a=rtcp-mux\r\n" if offered else ""))
    assert caller.audio is not None
    assert caller.audio.rtcp_mux is offered


def test_each_description_of_the_phone_counts_as_an_exchange() -> None:
    phone = session("off")
    numbers = []
    for _ in range(3):
        phone.receive_offer(description("RTP/AVP"))
        assert phone.audio is not None
        numbers.append(phone.audio.exchange)
    assert numbers == [1, 2, 3]


def test_each_medium_has_keys_of_its_own() -> None:
    phone = PhoneSession(7, PhonePreferences(codecs=("PCMU",), srtp="mandatory", srtp_keys=KEYS))
    video = f"m=video 5000 RTP/SAVP 97\r\na=rtpmap:97 VP8/90000\r\n{crypto(fill=0xBB)}a=rtcp-mux\r\n"
    phone.receive_offer(description("RTP/SAVP", crypto() + video))
    phone.place("192.0.2.1", 10_002, 10_004)
    assert phone.audio is not None
    assert phone.video is not None
    audio_keys, video_keys = phone.audio.srtp, phone.video.srtp
    assert audio_keys is not None
    assert video_keys is not None
    assert (audio_keys.remote_key[0], video_keys.remote_key[0]) == (0xEE, 0xBB)
    assert audio_keys.local_key != video_keys.local_key
    assert (phone.audio.rtcp_mux, phone.video.rtcp_mux) == (False, True)
    sections = parse_session_description(phone.answer()).media
    assert [len(section.cryptos) for section in sections] == [1, 1]
    phone.want(Direction.SENDONLY)
    held = parse_session_description(phone.offer()).media
    assert [section.cryptos for section in held] == [section.cryptos for section in sections]


def test_video_without_a_key_is_refused_where_keys_are_mandatory() -> None:
    phone = session("mandatory")
    phone.receive_offer(
        description("RTP/SAVP", crypto() + "m=video 5000 RTP/SAVP 97\r\na=rtpmap:97 VP8/90000\r\n")
    )
    assert phone.audio is not None
    assert phone.video is None
    assert [media.port for media in parse_session_description(phone.answer()).media] == [10_002, 0]


def marked(line: str, mki: str = "|2^20|1:4") -> str:
    return line.replace("\r\n", f"{mki}\r\n")


def test_an_mki_of_the_phone_is_taken_and_ours_is_the_same() -> None:
    """RFC 4568 section 6.1. Elsewhere the line is accepted, the packets are not understood, and both hear nothing."""
    phone = session()
    phone.receive_offer(description("RTP/SAVP", marked(crypto(tag=2))))
    keys = agreed(phone)
    assert keys is not None
    assert (keys.local_mki, keys.remote_mki) == (b"\0\0\0\1", b"\0\0\0\1")
    (line,) = our_key(phone.answer())
    assert line.key_parameters.endswith("|1:4")
    assert our_key(phone.offer()) == (line,), "it stands in our next description too"
    phone.withdraw_offer()
    phone.receive_offer(description("RTP/SAVP", crypto(tag=2)))
    without = agreed(phone)
    assert without == SrtpKeys(SUITE, keys.local_key, keys.remote_key)


def test_of_several_lines_one_with_two_keys_is_passed_over_for_one_with_a_mark() -> None:
    phone = session()
    key = base64.b64encode(phone_key()).decode()
    two = f"a=crypto:1 {SUITE} inline:{key}|2^20|1:4;inline:{key}|2^20|2:4\r\n"
    phone.receive_offer(description("RTP/SAVP", two + marked(crypto(2, "AEAD_AES_128_GCM"), "|5:1")))
    (line,) = our_key(phone.answer())
    assert (line.tag, line.suite) == (2, "AEAD_AES_128_GCM")
    with pytest.raises(NegotiationError):
        session().receive_offer(description("RTP/SAVP", two))


def test_who_answers_our_offer_with_an_mki_marks_its_own_packets_only() -> None:
    phone = session()
    line = our_key(phone.offer())[0]
    phone.receive_answer(description("RTP/SAVP", marked(crypto(line.tag, line.suite))))
    keys = agreed(phone)
    assert keys is not None
    assert (keys.local_mki, keys.remote_mki) == (b"", b"\0\0\0\1")
