"""ICE of the synthetic browsers on 127.0.0.1, on a machine that may be busy.

aioice leaves loopback addresses out, as RFC 8445 section 5.1.1.1 asks of real agents. The demo and the
tests must run on a machine without any other interface, and aioice has no setting for it; so the one
function that lists addresses is replaced. Only processes of synthetic peers import this module.
"""

import aioice.ice

# aioice counts an answer that it reads later than after half a second as none, and at the sixth in a row it closes the
# connection without a word: whatever a peer then does not see or hear is no fault of the bridge.
CONSENT_FAILURES = 60  # five minutes


def gather_only(address: str) -> None:
    """From now on every aioice agent of this process has one host candidate: `address`."""

    def get_host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:  # noqa: ARG001, FBT001 - aioice's
        return [address]

    aioice.ice.get_host_addresses = get_host_addresses
    aioice.ice.CONSENT_FAILURES = CONSENT_FAILURES
