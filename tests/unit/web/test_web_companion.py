"""Companion links at the web door: a token of its own kind, and a connection that is nobody's desktop."""

import json
from urllib.parse import urlsplit

import jwt
import pytest

from bridge.clock import ManualClock
from bridge.errors import ParseError, UnauthorizedError
from bridge.ids import InteractionId, LinkId, ParticipantId
from bridge.switchboard.browser.companions import Ticket
from signaling.web.access.auth import CompanionSigner, Signer, Verifier
from signaling.web.protocol.messages import JoinCompanion, parse_command
from signaling.web.session import AUTHENTICATION_TIMEOUT_S, GUEST_S, CloseCode, Session, State

SECRET = b"0123456789abcdef0123456789abcdef"
BROWSERS_SECRET = "s" * 32
TICKET = Ticket(LinkId("lnk_1"), InteractionId("int_1"), ParticipantId("prt_1"))


def link(public_url: str = "", secret: bytes = SECRET) -> tuple[str, str]:
    signed = CompanionSigner(secret, public_url).sign_link(
        TICKET.link_id, TICKET.interaction_id, TICKET.participant_id, 1000.0
    )
    return signed.url, signed.token


def join_text(token: str, secret: str = BROWSERS_SECRET) -> str:
    return json.dumps({"id": 1, "command": "joinCompanion", "token": token, "secret": secret})


class TestToken:
    def test_it_says_whose_link_it_is(self) -> None:
        assert Verifier(SECRET).verify_companion(link()[1]) == TICKET

    def test_no_server_sees_it_when_the_link_is_opened(self) -> None:
        url, token = link("https://video.example.org/")
        parts = urlsplit(url)
        assert (parts.scheme, parts.netloc, parts.path) == ("https", "video.example.org", "/companion")
        assert parts.fragment == token
        assert token not in url.split("#")[0]

    def test_it_opens_no_desktop(self) -> None:
        with pytest.raises(UnauthorizedError):
            Verifier(SECRET).verify(link()[1], 0.0)

    def test_a_desktops_token_is_no_link(self) -> None:
        token = Signer(SECRET, ManualClock()).issue("alice", ["interaction:all"], 60.0)
        with pytest.raises(UnauthorizedError):
            Verifier(SECRET).verify_companion(token)

    @pytest.mark.parametrize(
        "token",
        [
            "",
            "nonsense",
            link(secret=SECRET[::-1])[1],
            link()[1][:-2],
            jwt.encode(
                {"iss": "warmbridge", "aud": "warmbridge-companion", "sub": "x", "exp": 1}, SECRET, "HS256"
            ),
            jwt.encode(
                {
                    "iss": "warmbridge",
                    "aud": "warmbridge-companion",
                    "sub": "x",
                    "exp": 1,
                    "jti": 7,
                    "interaction": "",
                },
                SECRET,
                "HS256",
            ),
        ],
    )
    def test_what_is_no_link_of_ours_is_refused(self, token: str) -> None:
        with pytest.raises(UnauthorizedError):
            Verifier(SECRET).verify_companion(token)


class TestSession:
    def session(self) -> tuple[Session, ManualClock]:
        clock = ManualClock()
        return Session("con_1", Verifier(SECRET), 50.0, clock.now(), lambda _trouble: None), clock

    def test_joining_is_for_the_switchboard_to_decide(self) -> None:
        session, clock = self.session()
        command = session.receive_text(join_text(link()[1]), clock.now(), clock.wall())
        assert isinstance(command, JoinCompanion)
        assert session.state is State.STRANGER

    def test_a_guest_has_the_links_name_and_no_scope_but_showing_video(self) -> None:
        session, clock = self.session()
        session.admit_guest(TICKET, clock.now(), clock.wall())
        assert session.state is State.OPEN
        principal = session.principal
        assert principal is not None
        assert (principal.user_id, principal.connection_id) == ("lnk_1", "con_1")
        assert principal.scopes == {"telephony:video:use"}

    def test_a_connection_with_a_name_takes_no_link(self) -> None:
        session, clock = self.session()
        session.admit_guest(TICKET, clock.now(), clock.wall())
        assert session.receive_text(join_text(link()[1]), clock.now(), clock.wall()) is None
        (reply,) = [json.loads(text) for text in session.messages_to_send()]
        assert reply["error"]["code"] == "not_allowed"

    def test_who_does_not_press_join_is_sent_away(self) -> None:
        session, clock = self.session()
        session.receive_text(join_text(link()[1]), clock.now(), clock.wall())
        clock.advance(AUTHENTICATION_TIMEOUT_S)
        session.handle_timer(clock.now())
        assert session.close_frame is not None
        assert session.close_frame.code == CloseCode.UNAUTHORIZED

    def test_the_connection_outlives_the_link_but_not_for_ever(self) -> None:
        session, clock = self.session()
        session.admit_guest(TICKET, clock.now(), clock.wall())
        clock.advance(GUEST_S - 120.0)
        session.handle_timer(clock.now())
        assert session.state is State.OPEN
        for _ in range(3):
            clock.advance(120.0)
            session.handle_timer(clock.now())
        assert session.state is not State.OPEN

    def test_the_secret_has_at_least_32_characters(self) -> None:
        with pytest.raises(ParseError, match="secret"):
            parse_command(join_text(link()[1], "short"))
