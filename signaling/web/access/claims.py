"""The claims of a JWT (RFC 7519), checked by one key, one algorithm, one audience and one issuer."""

from typing import Any

import jwt

from bridge.errors import UnauthorizedError

LEEWAY_S = 10.0  # RFC 7519 section 4.1.4 allows "no more than a few minutes" of clock skew

FOREIGN_KEY = (
    "the token is not valid: it is signed with another key than the one known here "
    "(without auth.secret_file every start of the bridge makes a new one)"
)


def read_header(token: str) -> dict[str, Any]:
    """Not believed yet: it says by which key to check. Raises UnauthorizedError, as all here."""
    try:
        return jwt.get_unverified_header(token)
    except jwt.InvalidTokenError as error:
        raise UnauthorizedError(f"the token is not valid: {error}") from None


def read_claims(
    token: str, key: bytes | jwt.PyJWK, algorithm: str, *, audience: str, issuer: str
) -> dict[str, Any]:
    """All but the times, which `check_times` looks at."""
    try:
        # The library would ask its own clock about the times.
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=audience,
            issuer=issuer,
            options={
                "require": ["exp", "sub", "iss", "aud"],
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
    except jwt.InvalidSignatureError:
        raise UnauthorizedError(FOREIGN_KEY) from None
    except (jwt.InvalidTokenError, jwt.InvalidKeyError) as error:
        raise UnauthorizedError(f"the token is not valid: {error}") from None


def check_times(claims: dict[str, Any], wall: float) -> float:
    """Returns when the token ends."""
    expires_at, not_before = seconds(claims["exp"]), seconds(claims.get("nbf", 0))
    if wall >= expires_at + LEEWAY_S:
        raise UnauthorizedError("the token has expired: get a fresh one")
    if wall < not_before - LEEWAY_S:
        raise UnauthorizedError("the token is not valid yet: compare the clocks of both machines")
    return expires_at


def seconds(value: object) -> float:
    # A huge integer or float("inf") would pass arithmetic here and break a timer or a date later.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 253_402_300_800:
        raise UnauthorizedError("the token's times must be seconds between 1970 and the year 10000")
    return float(value)
