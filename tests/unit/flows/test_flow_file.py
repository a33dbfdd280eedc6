"""A flow's file: what is read, and what is said about mistakes, each with its line."""

import pytest

from bridge.desk.centre.flow import STEP_RULES, Flow, FlowKind, FlowStep, Outcome, StepKind
from bridge.desk.centre.role import MediaType, ParticipantRole
from bridge.errors import SettingsError
from bridge.flows.flow_file import _CONVERT, FILE_MAX_CHARACTERS, Known, parse_flow
from bridge.ids import FlowId

KNOWN = Known({"video-sme", "default"}, {"connecting"}, {"experts"})
HEAD = 'name = "Test"\nkind = "inbound"\nstart = "a"\n'
QUEUE = '[steps.q]\ndo = "queue"\nqueue = "default"\ntimeout_s = 9\nsuccess = "end"\nfailure = "end"\ntimeout = "end"\n'
WAIT = '[steps.w]\ndo = "wait"\nseconds = 5\nsuccess = "end"\n'


def parse(text: str) -> Flow:
    return parse_flow(FlowId("test"), text, "test.toml", KNOWN)


def complaints(text: str) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        parse(text)
    return refused.value.reason.splitlines()


def test_a_flow_is_read() -> None:
    flow = parse("""
name = "Everything"
kind = "escalation"
digits = "*9"
start = "seek"

[steps.seek]
do = "queue"
queue = "video-sme"
media = "video"
timeout_s = 300
prompt = "connecting"
success = "end"
failure = "ask"
timeout = "ask"

[steps.ask]
do = "decision"
when = { priority = ["High", "Urgent"], tries = 2, vip = true }
success = "read"
failure = "end"

[steps.read]
do = "get participant"
participant = "customer"
success = "end"
failure = "end"
""")
    assert (flow.flow_id, flow.kind, flow.digits, flow.start) == ("test", FlowKind.ESCALATION, "*9", "seek")
    seek, ask, read = flow.steps
    assert (seek.queue, seek.media, seek.timeout_s) == ("video-sme", MediaType.VIDEO, 300.0)
    assert seek.branches == {Outcome.SUCCESS: "end", Outcome.FAILURE: "ask", Outcome.TIMEOUT: "ask"}
    assert ask.when == {"priority": ("High", "Urgent"), "tries": ("2",), "vip": ("true",)}
    assert read.participant is ParticipantRole.CUSTOMER
    assert flow.asks_for_video


def test_every_key_of_every_kind_can_be_read() -> None:
    fields = {name for rule in STEP_RULES.values() for name in rule.required | rule.optional}
    assert fields <= _CONVERT.keys()
    assert fields <= set(FlowStep.__struct_fields__)


def test_each_mistake_has_its_line() -> None:
    assert complaints("""name = "Bad"
kind = "escalation"
start = "a"

[steps.a]
do = "qeue"
success = "b"

[steps.b]
do = "set data"
data = { x = 1 }
success = "c"

[steps.c]
do = "decision"
when = { x = "1" }
success = "d"
failure = "nowhere"

[steps.d]
do = "decision"
when = { y = "1" }
success = "c"
failure = "t"

[steps.t]
do = "blind transfer"
queue = "video-sme"
success = "end"
failure = "end"
timeout = "end"

[steps.lost]
do = "wait"
seconds = 5
success = "end"
""") == [
        "test.toml:6: step 'a': unknown step 'qeue'; did you mean 'queue'?",
        "test.toml:9: step 'b': the branch 'failure' is missing; lead it to a step or to 'end'",
        "test.toml:14: step 'c': this step is in a loop without wait: put a wait, or the timeout of a step, in it",
        "test.toml:18: step 'c': there is no step 'nowhere'",
        "test.toml:20: step 'd': this step is in a loop without wait: put a wait, or the timeout of a step, in it",
        "test.toml:27: step 't': no blind transfer in an escalation flow: "
        "it would complete the interaction that is to go on; use conference",
        "test.toml:33: step 'lost': no branch leads to this step",
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (HEAD.replace('"a"', '"w"') + WAIT + "x = 1\n", "test.toml:8: step 'w': wait has no key 'x'"),
        (HEAD.replace('"a"', '"w"') + WAIT.replace("5", '"5"'), "test.toml:6: step 'w': a number of seconds"),
        (HEAD.replace('"a"', '"w"') + WAIT.replace("5", "nan"), "test.toml:6: step 'w': a number of seconds"),
        (HEAD.replace('"a"', '"w"') + WAIT.replace("5", "true"), "test.toml:6: step 'w': a number of seconds"),
        (HEAD.replace('"a"', '"w"') + WAIT.replace("seconds = 5\n", ""), "test.toml:4: step 'w': wait needs 'seconds'"),
        (HEAD.replace('"a"', '"w"') + WAIT.replace('"end"', "7"), "test.toml:7: step 'w': a text is wanted"),
        (HEAD.replace('"a"', '"w"') + WAIT.replace('do = "wait"\n', ""), "test.toml:4: step 'w': the key 'do'"),
        (HEAD.replace("inbound", "outbound").replace('"a"', '"w"') + WAIT, "test.toml:2: one of inbound, "),
        (HEAD + WAIT, "test.toml:3: there is no step 'a' to start with"),
        (HEAD.replace('start = "a"\n', "") + WAIT, "test.toml:1: the key 'start' is missing"),
        ("colour = 1\n" + HEAD.replace('"a"', '"w"') + WAIT, "test.toml:1: unknown key; there are digits,"),
        ('digits = "hello"\n' + HEAD.replace('"a"', '"w"') + WAIT, "test.toml:1: one to eight keys of a phone"),
        (
            HEAD.replace('"a"', '"q"') + QUEUE + 'keys = { "12" = "end" }\n',
            "test.toml:11: step 'q': a table of single keys of a phone",
        ),
        (
            HEAD.replace('"a"', '"q"') + QUEUE + 'keys = { "1" = "nowhere" }\n',
            "test.toml:11: step 'q': there is no step 'nowhere'",
        ),
        (HEAD + "[steps.a\n", "test.toml:4: "),
        (HEAD + 'steps = "a"\n', "test.toml:4: steps are tables"),
        (
            HEAD.replace('"a"', '"end"') + WAIT.replace("steps.w", "steps.end"),
            "test.toml:4: step 'end': 'end' is no name for a step",
        ),
        (
            HEAD + '[steps.a]\ndo = "queue"\nqueue = "zzz"\ntimeout_s = 9\n'
            'success = "end"\nfailure = "end"\ntimeout = "end"\n',
            "test.toml:6: step 'a': no queue 'zzz'; there are default, video-sme",
        ),
        (
            HEAD + '[steps.a]\ndo = "play prompt"\nprompt = "conecting"\n'
            'success = "end"\nfailure = "end"\ntimeout = "end"\n',
            "test.toml:6: step 'a': no prompt 'conecting'; did you mean 'connecting'?",
        ),
        (
            HEAD + '[steps.a]\ndo = "decision"\nwhen = { x = [[1]] }\nsuccess = "end"\nfailure = "end"\n',
            "test.toml:6: step 'a': a text, a number, true or false is wanted",
        ),
        (
            HEAD + '[steps.a]\ndo = "set data"\ndata = {}\nsuccess = "end"\nfailure = "end"\n',
            "test.toml:6: step 'a': a table is wanted",
        ),
        (
            HEAD + '[steps.a]\ndo = "set data"\ndata = { x = "" }\nkeep = 1\nsuccess = "end"\nfailure = "end"\n',
            "test.toml:7: step 'a': true or false is wanted",
        ),
        ("#" * (FILE_MAX_CHARACTERS + 1), "test.toml: more than "),
    ],
)  # fmt: skip
def test_a_mistake_is_named_in_words(text: str, complaint: str) -> None:
    found = complaints(text)
    assert found[0].startswith(complaint), found
    assert len(found) == 1


NOTIFY = '[steps.a]\ndo = "notify"\nto = "experts"\nsubject = "Case"\ntext = "{caller} waits"\n'


def test_who_is_written_to_is_a_group_there_is() -> None:
    text = HEAD + NOTIFY + 'success = "end"\nfailure = "end"\n'
    (read,) = parse_flow(FlowId("test"), text, "test.toml", KNOWN).steps
    assert (read.kind, read.to, read.subject, read.text) == (
        StepKind.NOTIFY,
        "experts",
        "Case",
        "{caller} waits",
    )
    assert complaints(text.replace("experts", "expert")) == [
        "test.toml:6: step 'a': no group 'expert'; did you mean 'experts'?"
    ]


def test_a_notification_says_something_and_has_both_branches() -> None:
    assert complaints(HEAD + '[steps.a]\ndo = "notify"\nto = "experts"\ntext = "x"\nsuccess = "end"\n') == [
        "test.toml:4: step 'a': the branch 'failure' is missing; lead it to a step or to 'end'"
    ]
    assert complaints(HEAD + '[steps.a]\ndo = "notify"\nsuccess = "end"\nfailure = "end"\n') == [
        "test.toml:4: step 'a': notify needs 'text'",
        "test.toml:4: step 'a': notify needs 'to'",
    ]
