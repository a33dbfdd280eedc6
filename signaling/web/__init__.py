"""The web door: websocket protocol, REST, tokens, health and metrics."""
