"""Chance that is fetched in stock."""

from bridge.chance import POOL_BYTES, Chance


def test_every_token_is_as_long_as_asked_for_and_no_two_are_the_same() -> None:
    chance = Chance()
    sizes = [1 + number % 40 for number in range(POOL_BYTES // 4)] + [2 * POOL_BYTES, 16]
    tokens = [chance.token_hex(size) for size in sizes]
    assert [len(bytes.fromhex(token)) for token in tokens] == sizes
    long = [token for token in tokens if len(token) >= 16]
    assert len(set(long)) == len(long)


def test_nothing_of_a_stock_is_given_twice() -> None:
    chance = Chance()
    given = "".join(chance.token_hex(7) for _ in range(3 * POOL_BYTES // 7))
    pieces = [given[at : at + 16] for at in range(0, len(given) - 16, 2)]
    assert len(set(pieces)) == len(pieces)
