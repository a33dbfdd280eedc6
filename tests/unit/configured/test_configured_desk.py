"""The desk's policy and the switchboard's, from the settings that are shipped and from others."""

from bridge.configured.desk import configured_desk, configured_queue
from bridge.configured.switchboard import configured_switchboard
from bridge.desk.centre.queue import OverflowTo
from bridge.negotiation.phone.transport import derived_keys
from bridge.notification.address import read_address_book
from bridge.settings.file import config_directory, load_settings
from bridge.settings.settings import Settings

KEYS = derived_keys(b"secret")


def test_the_shipped_configuration_makes_a_policy() -> None:
    settings = load_settings(config_directory() / "bridge.toml")
    policy = configured_desk(settings, read_address_book(settings.notifications))
    assert {queue.queue_id for queue in policy.queues} == {section.id for section in settings.queues}
    assert policy.inbound_flow == settings.flows.inbound
    assert policy.inbound_flow in {flow.flow_id for flow in policy.flows}


def test_numbers_are_dialed_only_where_a_trunk_has_a_target() -> None:
    book = read_address_book(Settings().notifications)
    assert not configured_desk(Settings(), book).dials_numbers
    settings = Settings.model_validate({"sip": {"dial_target": "sip:trunk.example"}})
    assert configured_desk(settings, book).dials_numbers


def test_a_queues_zeros_are_no_limits_and_its_overflow_is_one_value() -> None:
    queue = {"id": "line", "name": "Line", "max_depth": 0, "offer_timeout_s": 0, "overflow_to": ""}
    made = configured_queue(Settings.model_validate({"queues": [queue]}).queues[0])
    assert (made.max_depth, made.offer_s, made.overflow) == (None, None, None)
    queue |= {"overflow_to": "queue", "overflow_queue": "other", "overflow_depth": 3}
    other = {"id": "other", "name": "Other"}
    overflow = configured_queue(Settings.model_validate({"queues": [queue, other]}).queues[0]).overflow
    assert overflow is not None
    assert (overflow.to, overflow.queue_id, overflow.depth, overflow.wait_s) == (
        OverflowTo.QUEUE,
        "other",
        3,
        None,
    )


def test_a_desktop_proves_itself_three_times_while_a_proof_holds() -> None:
    def asked(lifetime_s: float) -> float:
        settings = Settings.model_validate({"desk": {"proof_lifetime_s": lifetime_s}})
        return configured_switchboard(settings, KEYS).prove_every_s

    assert asked(45.0) == 15.0
    assert asked(0.0) == 10.0
