"""The web door: `app` builds it, `socket` and `session` are one websocket; the other subjects have each a folder."""
