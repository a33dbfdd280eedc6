"""RTP engines: statistics, jitter, loss repair, rewriting. No I/O, no clock."""
