"""Bytes to values and back, stateless: RTP, RTCP, SDP, payload headers."""
