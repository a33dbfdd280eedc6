"""The media graph: rooms, the audio mixer, the video forwarder."""
