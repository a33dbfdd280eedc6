"""Who must prove who they are: nonces, counts, and what is good once only."""

import itertools

import msgspec
import pytest

from bridge.ids import TrunkId
from signaling.sip.trunk.gate import MAX_NONCES, NONCE_LIFETIME_S, Gate, Verdict
from signaling.sip.trunk.trunk import Trunk, Trunks
from signaling.sip.wire.digest import Credentials, compute_response, parse_challenges, serialize_credentials
from signaling.sip.wire.message import Request

ANNA = Trunk(TrunkId("phones"), username="anna", password="correct horse", authenticate=True)
NO_PROOF_NEEDED = Trunk(TrunkId("other"), ("192.0.2.0/24",), username="bert", password="secret")


def make_gate(prefix: str = "a") -> Gate:
    serial = itertools.count()
    return Gate(
        Trunks([ANNA, NO_PROOF_NEEDED]), lambda size: f"{prefix}{next(serial):x}".rjust(2 * size, "0")
    )


def nonce_of(gate: Gate, now: float = 0.0, verdict: Verdict = Verdict.ABSENT) -> str:
    challenges = parse_challenges(value for _, value in gate.challenges(verdict, ANNA, now))
    assert [challenge.algorithm for challenge in challenges] == ["SHA-256", "MD5"]
    assert {challenge.stale for challenge in challenges} == {verdict in (Verdict.STALE, Verdict.REPLAYED)}
    return challenges[0].nonce


def ask(nonce: str, count: int = 1, password: str = "correct horse", **changes: str) -> Request:
    credentials = Credentials(
        "anna", "warmbridge", nonce, "sip:bridge", "", "SHA-256", "auth", "cnonce", f"{count:08x}"
    )
    credentials = msgspec.structs.replace(credentials, **changes)
    response = compute_response(credentials, "INVITE", password)
    header = serialize_credentials(msgspec.structs.replace(credentials, response=response))
    return Request(method="INVITE", uri="sip:bridge", headers=(("Authorization", header),))


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
def test_who_knows_the_password_is_heard(algorithm: str) -> None:
    gate = make_gate()
    assert gate.check(ask(nonce_of(gate), algorithm=algorithm), 1.0) == (Verdict.PROVED, ANNA)


def test_counts_go_up_and_each_is_good_once() -> None:
    gate = make_gate()
    nonce = nonce_of(gate)
    verdicts = [gate.check(ask(nonce, count), 1.0)[0] for count in (1, 1, 2, 5, 4, 6)]
    proved, replayed = Verdict.PROVED, Verdict.REPLAYED
    assert verdicts == [proved, replayed, proved, proved, replayed, proved]
    assert gate.replayed == 2


def test_a_nonce_grows_old() -> None:
    gate = make_gate()
    nonce = nonce_of(gate, 10.0)
    assert gate.check(ask(nonce, 1), 10.0 + NONCE_LIFETIME_S)[0] is Verdict.PROVED
    assert gate.check(ask(nonce, 2), 11.0 + NONCE_LIFETIME_S)[0] is Verdict.STALE
    nonce_of(gate, 11.0 + NONCE_LIFETIME_S, Verdict.STALE)


def test_a_nonce_of_another_process_is_stale_for_who_knows_the_password() -> None:
    gate, nonce = make_gate(), nonce_of(make_gate("b"))
    assert gate.check(ask(nonce), 1.0)[0] is Verdict.STALE
    assert gate.check(ask("made up"), 1.0)[0] is Verdict.STALE
    assert gate.check(ask(nonce, password="guessed"), 1.0)[0] is Verdict.WRONG


@pytest.mark.parametrize(
    "changes",
    [
        {"username": "bert"},
        {"username": "nobody"},
        {"realm": "elsewhere"},
        {"qop": ""},
        {"nonce_count": "x"},
        {"nonce_count": ""},
        {"nonce_count": "-1"},
        {"username": "\udcff"},
    ],
)
def test_what_is_not_right_is_not_believed(changes: dict[str, str]) -> None:
    gate = make_gate()
    verdict, trunk = gate.check(ask(nonce_of(gate), 1, "correct horse", **changes), 1.0)
    assert verdict is not Verdict.PROVED
    assert trunk is None


@pytest.mark.parametrize("name", ["nonce", "uri", "cnonce", "response"])
def test_octets_that_are_no_text_are_no_password(name: str) -> None:
    """They get as far as the comparison, without any password."""
    gate = make_gate()
    said = {
        "username": "anna",
        "realm": "warmbridge",
        "nonce": nonce_of(gate),
        "uri": "sip:b",
        "response": "0",
    }
    said |= {"cnonce": "c", name: "\udcff"}
    header = ", ".join(f'{key}="{value}"' for key, value in said.items())
    request = Request(
        method="INVITE",
        uri="sip:bridge",
        headers=(("Authorization", f"Digest {header}, algorithm=SHA-256, qop=auth, nc=1"),),
    )
    assert gate.check(request, 1.0) == (Verdict.WRONG, None)


def test_rubbish_and_nothing_prove_nothing() -> None:
    gate = make_gate()
    assert gate.check(Request(method="INVITE", uri="sip:a", headers=()), 0.0) == (Verdict.ABSENT, None)
    rubbish = Request(method="INVITE", uri="sip:a", headers=(("Authorization", "Digest \x00,=="),))
    assert gate.check(rubbish, 0.0) == (Verdict.WRONG, None)
    assert gate.wrong == 1


def test_nonces_are_forgotten_at_the_bound_and_a_forgotten_one_is_not_good_again() -> None:
    gate = make_gate()
    first = nonce_of(gate, 0.001)
    assert gate.check(ask(first), 1.0)[0] is Verdict.PROVED
    for number in range(MAX_NONCES):
        now = 0.002 + number / 1000
        assert gate.check(ask(nonce_of(gate, now)), now)[0] is Verdict.PROVED
    assert gate.check(ask(first), 5.0)[0] is Verdict.STALE
