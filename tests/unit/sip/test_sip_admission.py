"""How fast each source may talk to the SIP port."""

from signaling.sip.trunk.admission import MAX_SOURCES, Admission


def test_a_flood_is_cut_to_the_rate_and_counted() -> None:
    admission = Admission(10, 20)
    assert sum(admission.takes("192.0.2.1", 0.0) for _ in range(100)) == 20
    assert admission.throttled == 80
    assert sum(admission.takes("192.0.2.1", 1.0) for _ in range(100)) == 10
    assert admission.takes("192.0.2.2", 1.0)


def test_sources_are_forgotten_at_the_bound() -> None:
    admission = Admission(1, 1)
    for number in range(MAX_SOURCES + 1):
        assert admission.takes(f"host{number}", 0.0)
    assert not admission.takes(f"host{MAX_SOURCES}", 0.0)
    assert admission.takes("host0", 0.0)  # it was the oldest
