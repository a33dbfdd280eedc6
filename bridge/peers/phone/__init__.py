"""A synthetic phone: the SIP core as a client, with sound and pictures of its own over RTP."""
