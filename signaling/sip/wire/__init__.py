"""SIP as text: messages and their parts, bytes to values and back. No I/O, no state but the stream's."""
