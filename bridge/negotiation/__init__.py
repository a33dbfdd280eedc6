"""Offer and answer (RFC 3264) for both doors. Values in, values out: no I/O, no clock; chance is handed in.

`PhoneSession` is one SIP leg, `BrowserSession` one WebRTC leg. Each keeps what was agreed, turns a peer's
description into the wanted state of a leg (`bridge.plane.messages`), and writes ours.
"""

from bridge.negotiation.browser.browser import BrowserPreferences, BrowserSession, PeerReplacedError, Refusal
from bridge.negotiation.browser.taste import PhoneTaste
from bridge.negotiation.phone.agreement import PhoneAgreement
from bridge.negotiation.phone.audio import PhonePreferences
from bridge.negotiation.phone.phone import PhoneSession, answer_phone
from bridge.wire.sdp_section import Direction

__all__ = [
    "BrowserPreferences",
    "BrowserSession",
    "Direction",
    "PeerReplacedError",
    "PhoneAgreement",
    "PhonePreferences",
    "PhoneSession",
    "PhoneTaste",
    "Refusal",
    "answer_phone",
]
