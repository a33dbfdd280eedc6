"""Who we say we are in Via, Contact and From, and the random parts of a message (RFC 3261 section 8.1.1)."""

from collections.abc import Callable

from signaling.sip.wire.flow import DEFAULT_TLS_PORT, TCP, TLS, UDP
from signaling.sip.wire.uri import bracket
from signaling.sip.wire.via import MAGIC_COOKIE


class LocalIdentity:
    """`token_hex(n)` must return 2*n hexadecimal characters of chance, as `secrets.token_hex` does."""

    __slots__ = ("_contacts", "_host", "_secure_contact", "_sent_by", "product", "token_hex", "user")

    def __init__(
        self,
        host: str,
        port: int,
        token_hex: Callable[[int], str],
        user: str = "bridge",
        tls_port: int = DEFAULT_TLS_PORT,
    ) -> None:
        self._host = bracket(host)
        plain, secure = f"{self._host}:{port}", f"{self._host}:{tls_port}"
        self._sent_by = {UDP: plain, TCP: plain, TLS: secure}
        self.token_hex = token_hex
        self.user = user
        self.product = "warmbridge"
        self._contacts = {
            UDP: f"<sip:{user}@{plain}>",
            TCP: f"<sip:{user}@{plain};transport=tcp>",
            TLS: f"<sip:{user}@{secure};transport=tls>",
        }
        self._secure_contact = f"<sips:{user}@{secure}>"

    def contact(self, transport: str, towards: str = "") -> str:
        """Where the other side sends its requests within the dialog. `towards` is the URI it goes by.

        Who says sips hears sips (RFC 3261 sections 8.1.1.8 and 12.1.1).
        """
        return self._secure_contact if towards[:5].lower() == "sips:" else self._contacts[transport]

    def from_address(self, account: str = "") -> str:
        """`account` ("user@domain") is what a trunk knows us by."""
        return f"<sip:{account or f'{self.user}@{self._host}'}>"

    def via(self, transport: str, branch: str) -> str:
        """`rport` asks for the answer at the address we send from (RFC 3581)."""
        return f"SIP/2.0/{transport.upper()} {self._sent_by[transport]};branch={branch};rport"

    def new_branch(self) -> str:
        return MAGIC_COOKIE + self.token_hex(10)

    def new_tag(self) -> str:
        return self.token_hex(6)

    def new_call_id(self) -> str:
        return self.token_hex(12)

    def new_number(self) -> int:
        """Where a sequence begins: 1 to 2**31 - 1 (RFC 3262 section 3 asks for the lower half)."""
        return int(self.token_hex(4), 16) % (2**31 - 1) + 1

    def new_delay_s(self, low_s: float, high_s: float) -> float:
        """A delay drawn evenly in steps of 10 ms (section 14.1 asks for units of 10 ms)."""
        steps = max(1, round((high_s - low_s) * 100))
        return low_s + (int(self.token_hex(4), 16) % (steps + 1)) / 100
