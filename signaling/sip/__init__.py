"""SIP: `wire transaction trunk session agent` without I/O; `diagnosis`; the `shell` of sockets; the `door` above."""
