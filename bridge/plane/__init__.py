"""The media plane's door: its commands and events, and the process that carries them out."""
