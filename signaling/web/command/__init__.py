"""From a parsed command to the switchboard's method; websocket and REST both come here."""
