"""Calls between the SIP agent and the switchboard: all of SIP that knows the corridor."""
