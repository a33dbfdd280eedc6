"""Where keys stand, in every way TOML lets one write them."""

from bridge.flows.place import DEEPEST, line_of, places

TEXT = '''name = "x"

# a comment = 1
[steps.a]
do = "set data"
data = { one = "1", two = "2" }
text = """
do = "not a key"
"""
list = [
  "a = b",
  "c",
]
"quoted key" = 1

[steps."b b"]
when.priority = "High"
[[many]]
x = 1
'''


def test_a_key_without_end_is_placed_as_deep_as_any_flow_goes() -> None:
    found = places(".".join(["a"] * 5000) + " = 1")
    assert max(map(len, found)) == DEEPEST


def test_every_key_and_table_has_its_line() -> None:
    found = places(TEXT)
    assert found["name",] == 1
    assert found["steps", "a"] == 4
    assert found["steps", "a", "data", "two"] == 6
    assert found["steps", "a", "text"] == 7
    assert found["steps", "a", "list"] == 10
    assert found["steps", "a", "quoted key"] == 14
    assert found["steps", "b b"] == 16
    assert found["steps", "b b", "when", "priority"] == 17
    assert found["many", "x"] == 19
    assert ("steps", "a", "text", "do") not in found


def test_what_is_not_there_has_the_line_of_what_is_around_it() -> None:
    found = places(TEXT)
    assert line_of(found, ("steps", "a", "success")) == 4
    assert line_of(found, ("nothing",)) == 1
