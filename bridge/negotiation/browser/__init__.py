"""Offer and answer with a browser: any number of tracks over one transport."""
