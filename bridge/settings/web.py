"""The web door: where it listens, whose tokens it takes, how people sign in, and where events are sent."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bridge.settings.section import Port, Seconds, Section, check_ids


class Http(Section):
    address: str = "127.0.0.1"
    port: Port = 8080
    certificate: str = ""
    private_key: str = ""
    allowed_origins: tuple[str, ...] = ()
    public_url: str = ""
    messages_per_second: Annotated[int, Field(ge=1)] = 50
    requests_per_second: Annotated[int, Field(ge=1)] = 50
    idempotency_s: Seconds = 86_400.0

    @model_validator(mode="after")
    def _certificate_and_key_together(self) -> "Http":
        if bool(self.certificate) != bool(self.private_key):
            raise ValueError("http.certificate and http.private_key go together: set both or none")
        return self

    @property
    def browsers_get_a_camera(self) -> bool:
        """Browsers open camera and microphone only over HTTPS or on localhost."""
        return bool(self.certificate) or self.is_local

    @property
    def is_local(self) -> bool:
        """Nobody reaches it from another machine."""
        return self.address in ("localhost", "::1") or self.address.startswith("127.")


class Client(Section):
    """A machine that gets its tokens at /oauth/token. `warmbridge secret` makes a secret and its hash."""

    id: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]
    secret_hash: Annotated[str, Field(pattern=r"^\$argon2id\$")]
    scopes: tuple[str, ...]
    name: str = ""


class Issuer(Section):
    """Somebody else whose tokens are as good as ours: their signatures are checked by the keys at `jwks_url`."""

    name: str = ""
    audience: str = "warmbridge"
    jwks_url: str = ""
    scopes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _name_and_keys_together(self) -> "Issuer":
        if bool(self.name) != bool(self.jwks_url):
            raise ValueError("issuer.name and issuer.jwks_url go together: set both or none")
        if self.jwks_url and not self.jwks_url.startswith(
            ("https://", "http://127.0.0.1", "http://localhost")
        ):
            raise ValueError("issuer.jwks_url must be https: whoever answers it decides who is let in")
        return self


class Auth(Section):
    secret_file: str = ""
    token_lifetime_s: Seconds = 3600.0
    clients: tuple[Client, ...] = ()

    @model_validator(mode="after")
    def _clients_have_names_of_their_own(self) -> "Auth":
        check_ids("auth.clients.id", [client.id for client in self.clients])
        return self


class SignIn(Section):
    """How people sign in, besides by password, and for how long."""

    token_s: Annotated[Seconds, Field(le=3600.0)] = 900.0
    session_s: Seconds = 43_200.0
    issuer: str = ""
    issuer_name: str = ""
    issuer_scopes: tuple[str, ...] = ("email", "profile")
    client_id: str = ""
    client_secret_file: str = ""
    user_claim: Literal["sub", "email", "preferred_username"] = "sub"

    @model_validator(mode="after")
    def _issuer_and_client_together(self) -> "SignIn":
        if bool(self.issuer) != bool(self.client_id):
            raise ValueError("sign_in.issuer and sign_in.client_id go together: set both or none")
        if self.issuer and not self.issuer.startswith(("https://", "http://127.0.0.1", "http://localhost")):
            raise ValueError("sign_in.issuer must be https: whoever answers it decides who is let in")
        return self


class Webhooks(Section):
    max_subscriptions: Annotated[int, Field(ge=0)] = 50
    max_pending: Annotated[int, Field(ge=1)] = 10_000
    max_attempts: Annotated[int, Field(ge=1)] = 10
    first_retry_s: Seconds = 1.0
    longest_retry_s: Seconds = 300.0
    timeout_s: Seconds = 10.0
    allowed_hosts: tuple[str, ...] = ()
    dead_letters_kept: Annotated[int, Field(ge=0)] = 1000
