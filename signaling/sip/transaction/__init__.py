"""What is sent again and until when (RFC 3261 section 17): tables and timers without I/O."""
