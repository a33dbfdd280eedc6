"""Sockets, ICE-lite, DTLS and SRTP: sans-I/O engines and the thin shells that drive them."""
