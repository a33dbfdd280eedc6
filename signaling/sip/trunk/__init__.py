"""Whose call it is and whether it may come: trunks, their load, digests, rates, refusals. No I/O."""
