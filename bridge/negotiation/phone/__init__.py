"""Offer and answer with a phone: one stream of sound, at most one of pictures, over RTP or SRTP."""
