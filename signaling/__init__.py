"""The doors of the bridge: SIP trunks and phones, the websocket, REST and the static desktop."""
