"""Pictures, forwarded without decoding: from one camera's up track to the down tracks of its viewers."""
