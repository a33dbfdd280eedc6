"""A synthetic browser: a client of the websocket protocol, with aiortc for its media."""
