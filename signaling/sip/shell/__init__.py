"""The sockets around the SIP core: UDP, TCP and TLS, name servers, and what waits for a connection."""
