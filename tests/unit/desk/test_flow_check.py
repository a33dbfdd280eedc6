"""What is wrong with a flow is found before it runs."""

import pytest
from msgspec.structs import replace

from bridge.desk.centre.flow import END, STEP_RULES, FlowKind, FlowStep, Outcome, StepKind
from bridge.desk.flow.check import mistakes_of
from tests.unit.desk.flow_house import VIDEO_SME, flow, step

WAIT, DECIDE = StepKind.WAIT, StepKind.DECISION


def texts(*steps: FlowStep, kind: FlowKind = FlowKind.ESCALATION) -> list[str]:
    return [f"{m.step}.{m.key}: {m.text}" for m in mistakes_of(flow(*steps, kind=kind))]


def test_a_straight_flow_has_no_mistakes() -> None:
    assert texts(step("a", WAIT, "b", seconds=1.0), step("b", StepKind.CONFERENCE)) == []


def test_a_branch_that_leads_nowhere() -> None:
    assert texts(step("a", WAIT, "nowhere", seconds=1.0)) == ["a.success: there is no step 'nowhere'"]


@pytest.mark.parametrize("kind", [kind for kind, rule in STEP_RULES.items() if rule.outcomes])
def test_every_branch_a_kind_has_must_be_there(kind: StepKind) -> None:
    missing = {m.text.split("'")[1] for m in mistakes_of(flow(FlowStep("a", kind))) if "missing" in m.text}
    assert missing == set(STEP_RULES[kind].outcomes)


def test_a_branch_the_kind_does_not_have() -> None:
    extra = FlowStep("a", WAIT, {Outcome.SUCCESS: END, Outcome.FAILURE: END}, seconds=1.0)
    assert texts(extra) == ["a.failure: a wait step has no branch 'failure'"]


def test_a_step_no_branch_leads_to() -> None:
    assert texts(step("a", WAIT, seconds=1.0), step("b", WAIT, "a", seconds=1.0)) == [
        "b.: no branch leads to this step"
    ]


def test_the_first_step_must_be_there() -> None:
    empty = replace(flow(step("a", WAIT, seconds=1.0)), start="x")
    assert [mistake.key for mistake in mistakes_of(empty)] == ["start"]


def test_a_loop_without_wait_would_spin() -> None:
    found = texts(
        step("a", DECIDE, "b", when={"x": ("1",)}), step("b", DECIDE, failure="a", when={"y": ("1",)})
    )
    assert [text.partition(":")[0] for text in found] == ["a.", "b."]
    assert all("loop without wait" in text for text in found)


def test_a_loop_with_a_wait_or_a_timeout_in_it_does_not_spin() -> None:
    assert texts(step("a", DECIDE, "b", when={"x": ("1",)}), step("b", WAIT, "a", seconds=5.0)) == []
    seeks = step("a", StepKind.QUEUE, timeout="a", queue=VIDEO_SME, timeout_s=30.0)
    assert texts(seeks) == []
    assert texts(step("a", StepKind.QUEUE, failure="a", queue=VIDEO_SME, timeout_s=30.0)) != []


@pytest.mark.parametrize("kind", [StepKind.BLIND_TRANSFER, StepKind.WARM_TRANSFER])
def test_a_transfer_inside_an_escalation_is_refused(kind: StepKind) -> None:
    (text,) = texts(step("a", kind, queue=VIDEO_SME))
    assert text.startswith("a.do: no ")
    assert "would complete the interaction" in text


@pytest.mark.parametrize("kind", [StepKind.BLIND_TRANSFER, StepKind.WARM_TRANSFER])
def test_a_transfer_goes_to_a_queue_or_a_user(kind: StepKind) -> None:
    assert texts(step("a", kind, user="bob"), kind=FlowKind.TRANSFER) == []
    for fields in ({}, {"user": "bob", "queue": VIDEO_SME}):
        (text,) = texts(step("a", kind, **fields), kind=FlowKind.TRANSFER)
        assert text.endswith("set one of the two")


def test_what_the_bridge_finds_out_is_not_set_by_a_flow() -> None:
    (text,) = texts(step("a", StepKind.SET_DATA, data={"customer_video_capable": "true"}))
    assert text.startswith("a.data: customer_video_capable is found out")


def test_an_escalation_does_not_hang_up_on_the_customer() -> None:
    (text,) = texts(step("a", StepKind.DISCONNECT))
    assert "has to go on" in text


def test_an_inbound_flow_has_nobody_to_confer_with() -> None:
    (text,) = texts(step("a", StepKind.CONFERENCE), kind=FlowKind.INBOUND)
    assert "nobody has been asked to join yet" in text


def test_times_must_be_worth_the_name() -> None:
    assert texts(step("a", WAIT, seconds=0.1)) == ["a.seconds: at least 1 s"]
    assert texts(step("a", StepKind.CONFERENCE, timeout_s=0.0)) == ["a.timeout_s: at least 1 s"]
    assert texts(step("a", StepKind.CALLBACK, delay_s=-1.0)) == ["a.delay_s: not before now"]


def test_a_key_leads_to_a_step_there_is_and_only_where_somebody_waits() -> None:
    waits = step("q", StepKind.QUEUE, queue=VIDEO_SME, timeout_s=30.0, keys={"1": "called", "2": "nowhere"})
    called = step("called", StepKind.CALLBACK)
    assert texts(waits, called, kind=FlowKind.INBOUND) == ["q.keys: there is no step 'nowhere'"]
    assert any("only who waits" in text for text in texts(replace(waits, keys={"1": "called"}), called))


def test_a_person_who_presses_a_key_does_not_spin() -> None:
    again = step("q", StepKind.QUEUE, queue=VIDEO_SME, timeout_s=30.0, keys={"1": "q"})
    assert texts(again, kind=FlowKind.INBOUND) == []
