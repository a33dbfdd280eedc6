"""One connection's conversation in virtual time: authentication, limits, expiry, slow readers."""

import json
from collections import Counter

import pytest

from bridge.clock import ManualClock
from bridge.errors import NotFoundError
from bridge.ids import QueueId, UserId
from bridge.switchboard.door.doors import Audience
from bridge.switchboard.view.event import QueueDepthExceeded
from signaling.web.access.auth import Signer, Verifier
from signaling.web.access.claims import LEEWAY_S
from signaling.web.protocol.history import History, Place, Told
from signaling.web.protocol.messages import AcceptOffer
from signaling.web.session import (
    AUTHENTICATION_TIMEOUT_S,
    EXPIRY_WARNING_S,
    FLOOD_BURST,
    MALFORMED_BURST,
    QUEUE_MAX_CHARACTERS,
    QUEUE_MAX_MESSAGES,
    TRANSITIONS,
    CloseCode,
    Input,
    Session,
    State,
)

SECRET = b"0123456789abcdef0123456789abcdef"
PING = '{"id": 1, "command": "ping"}'


class Client:
    """The other side of a session, and the clock between them."""

    def __init__(self, messages_per_second: float = 50.0) -> None:
        self.clock = ManualClock()
        self.signer = Signer(SECRET, self.clock)
        self.troubles: Counter[str] = Counter()
        self.session = Session(
            "con_1",
            Verifier(SECRET),
            messages_per_second,
            self.clock.now(),
            lambda kind: self.troubles.update([kind]),
        )

    def say(self, text: str) -> object:
        return self.session.receive_text(text, self.clock.now(), self.clock.wall())

    def token(self, subject: str = "alice", lifetime_s: float = 3600.0) -> str:
        return self.signer.issue(subject, ["routing:write"], lifetime_s)

    def authenticate(self, token: str) -> object:
        return self.say(json.dumps({"id": 0, "command": "authenticate", "token": token}))

    def hear(self) -> list[dict[str, object]]:
        return [json.loads(text) for text in self.session.messages_to_send()]

    def hear_error(self) -> str:
        (reply,) = self.hear()
        assert reply["ok"] is False
        error = reply["error"]
        assert isinstance(error, dict)
        return str(error["code"])

    def close_code(self) -> int | None:
        return self.session.close_frame.code if self.session.close_frame else None

    def wait_for_timer(self) -> None:
        timer = self.session.timer()
        assert timer is not None
        self.clock.advance(timer - self.clock.now())
        self.session.handle_timer(self.clock.now())


def signed_in(lifetime_s: float = 3600.0) -> Client:
    client = Client()
    client.authenticate(client.token(lifetime_s=lifetime_s))
    client.hear()
    return client


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("given", Input)
def test_every_state_and_input(state: State, given: Input) -> None:
    follows = TRANSITIONS.get((state, given))
    if state is State.CLOSED or (state is State.CLOSING and given is not Input.DISCONNECT):
        assert follows is None
    elif given is Input.AUTHENTICATE:
        assert follows is State.OPEN
    else:
        assert follows is (State.CLOSED if given is Input.DISCONNECT else State.CLOSING)


def test_authenticate_opens_and_tells_who_one_is() -> None:
    client = Client()
    client.authenticate(client.token())
    (reply,) = client.hear()
    result = reply["result"]
    assert isinstance(result, dict)
    assert (result["userId"], result["connectionId"]) == ("alice", "con_1")
    assert client.session.state is State.OPEN
    principal = client.session.principal
    assert principal is not None
    assert principal.scopes == {"routing:write"}


def test_a_token_in_the_handshake_opens_and_is_told_as_an_event() -> None:
    client = Client()
    client.session.receive_authorization(client.token(), client.clock.now(), client.clock.wall())
    (event,) = client.hear()
    assert event["event"] == "authenticated"
    assert client.session.state is State.OPEN


def test_a_bad_token_closes_with_4401() -> None:
    client = Client()
    client.authenticate("no token")
    assert client.hear_error() == "unauthorized"
    assert client.close_code() == CloseCode.UNAUTHORIZED
    client = Client()
    client.session.receive_authorization("no token", client.clock.now(), client.clock.wall())
    assert client.close_code() == CloseCode.UNAUTHORIZED


def test_a_command_before_authenticate_closes_with_4401() -> None:
    client = Client()
    assert client.say(PING) is None
    assert client.hear_error() == "unauthorized"
    assert client.close_code() == CloseCode.UNAUTHORIZED


def test_silence_before_authenticate_ends_after_ten_seconds() -> None:
    client = Client()
    assert client.session.timer() == client.clock.now() + AUTHENTICATION_TIMEOUT_S
    client.wait_for_timer()
    assert client.close_code() == CloseCode.UNAUTHORIZED
    assert client.troubles == {"unauthorized": 1}


def test_commands_pass_to_the_switchboard_and_pings_do_not() -> None:
    client = signed_in()
    assert client.say(PING) is None
    assert client.hear() == [{"id": 1, "ok": True}]
    command = client.say('{"id": 2, "command": "acceptOffer", "offerId": "off_1"}')
    assert isinstance(command, AcceptOffer)
    client.session.refuse(2, NotFoundError("no such offer"))
    assert client.hear_error() == "not_found"


def test_a_warning_then_a_fresh_token_keep_the_connection() -> None:
    client = signed_in(lifetime_s=300.0)
    client.wait_for_timer()
    assert client.clock.now() == 300.0 - EXPIRY_WARNING_S
    assert [event["event"] for event in client.hear()] == ["tokenExpiring"]
    client.authenticate(client.token(lifetime_s=300.0))
    client.clock.advance(EXPIRY_WARNING_S + LEEWAY_S)
    client.session.handle_timer(client.clock.now())
    assert client.session.state is State.OPEN


def test_without_a_fresh_token_the_connection_ends_with_the_old_one() -> None:
    client = signed_in(lifetime_s=300.0)
    client.wait_for_timer()
    client.wait_for_timer()
    assert client.clock.now() == 300.0 + LEEWAY_S
    assert client.close_code() == CloseCode.UNAUTHORIZED
    assert client.session.timer() is None


def test_a_token_that_is_about_to_end_is_warned_of_at_once() -> None:
    client = signed_in(lifetime_s=5.0)
    assert client.session.timer() == client.clock.now()


def test_a_failed_renewal_leaves_the_old_token_in_force() -> None:
    client = signed_in()
    client.authenticate("no token")
    assert client.hear_error() == "unauthorized"
    assert client.session.state is State.OPEN


def test_a_connection_never_changes_its_user() -> None:
    client = signed_in()
    client.authenticate(client.token("mallory"))
    assert client.hear_error() == "forbidden"
    principal = client.session.principal
    assert principal is not None
    assert principal.user_id == "alice"


def test_malformed_messages_are_answered_with_their_id_and_a_few_are_forgiven() -> None:
    client = signed_in()
    client.say('{"id": 9, "command": "dance"}')
    (reply,) = client.hear()
    assert reply["id"] == 9
    for _ in range(MALFORMED_BURST):
        client.say("{")
    assert client.close_code() == CloseCode.MALFORMED
    assert client.troubles["malformed"] == MALFORMED_BURST + 1
    client.say(PING)
    assert len(client.hear()) == MALFORMED_BURST


def test_a_flood_is_refused_unread_and_then_closed() -> None:
    client = signed_in()
    spoken = 0
    while client.close_code() is None:
        client.say(PING)
        spoken += 1
        assert spoken < 1000
    assert client.close_code() == CloseCode.FLOOD
    # The burst (less the authenticate), what was refused patiently, and the last straw.
    assert spoken == 99 + FLOOD_BURST + 1
    assert client.troubles["flood"] == FLOOD_BURST + 1


def test_the_allowed_rate_may_go_on_for_ever() -> None:
    client = signed_in()
    for _ in range(2000):
        client.clock.advance(0.02)
        client.say(PING)
        client.hear()
    assert client.session.state is State.OPEN
    assert not client.troubles


def test_binary_frames_are_not_our_protocol() -> None:
    client = signed_in()
    client.session.receive_binary()
    assert client.close_code() == CloseCode.UNSUPPORTED


@pytest.mark.parametrize(
    ("text", "count"), [("x", QUEUE_MAX_MESSAGES + 1), ("x" * 1024, QUEUE_MAX_CHARACTERS // 1024 + 1)]
)
def test_who_does_not_read_is_closed_and_the_queue_freed(text: str, count: int) -> None:
    client = signed_in()
    for _ in range(count):
        client.session.push(text)
    assert client.close_code() == CloseCode.SLOW_CONSUMER
    assert client.session.messages_to_send() == []
    assert client.troubles == {"slow_consumer": 1}


def test_events_reach_only_who_is_signed_in() -> None:
    client = Client()
    client.session.push("event")
    assert client.session.messages_to_send() == []
    client = signed_in()
    client.session.shut(CloseCode.GOING_AWAY, "the bridge shuts down")
    client.session.push("event")
    assert client.session.messages_to_send() == []


def test_a_connection_that_is_gone_takes_nothing_more() -> None:
    client = signed_in()
    client.session.push("event")
    client.session.disconnected()
    client.session.disconnected()
    client.session.reply(3, None)
    client.session.shut(CloseCode.GOING_AWAY, "too late")
    assert client.session.messages_to_send() == []
    assert client.close_code() is None
    assert client.say(PING) is None


def test_what_was_missed_is_told_in_order_to_those_it_was_for_or_the_lists_are_read_anew() -> None:
    told = (("alice", "two\ud800"), ("bob", "one"), ("alice", "one"), ("alice", "more"))
    client = Client()
    history = History("boot")
    history.begin(0)
    for number, (user_id, name) in enumerate(told, start=1):
        event = QueueDepthExceeded(number, QueueId(name), 3, 2)
        history.add(Told(Place(number, 0), event, Audience(frozenset({UserId(user_id)}))))
    for number, resumed in ((1, True), (0, False)):
        troubles: list[str] = []
        session = Session("con_1", Verifier(SECRET), 50.0, 0.0, troubles.append, history)
        place = {"bootId": "boot", "number": number, "part": 0}
        wish = {"id": 0, "command": "authenticate", "token": client.token(), "resume": place}
        session.receive_text(json.dumps(wish), client.clock.now(), client.clock.wall())
        reply, *events = [json.loads(text) for text in session.messages_to_send()]
        assert reply["result"]["resumed"] is resumed
        assert [event["number"] for event in events] == ([3, 4] if resumed else [])
        assert troubles == ([] if resumed else ["unwritable"])
