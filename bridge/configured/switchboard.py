"""The switchboard's policy: what phones and browsers are offered, what is played, and how often is asked."""

from bridge.configured.media import configured_sounds
from bridge.configured.sip import configured_phones
from bridge.negotiation.phone.transport import KeySource
from bridge.settings.settings import Settings
from bridge.switchboard.view.sidebar import Sidebar, SidebarField
from bridge.switchboard.wiring import SwitchboardPolicy


def configured_switchboard(settings: Settings, srtp_keys: KeySource) -> SwitchboardPolicy:
    return SwitchboardPolicy(
        phones=configured_phones(settings, srtp_keys),
        sounds=configured_sounds(settings),
        prove_every_s=_prove_every_s(settings.desk.proof_lifetime_s),
        companion_link_s=settings.desk.companion_link_s,
        sidebar=Sidebar(
            tuple(SidebarField(**field.model_dump()) for field in settings.sidebar.fields),
            settings.sidebar.others,
        ),
    )


def _prove_every_s(lifetime_s: float) -> float:
    """Three proofs within the time one holds, so that one may get lost; 0 asks for none, which harms nobody."""
    return lifetime_s / 3 if lifetime_s else 10.0
