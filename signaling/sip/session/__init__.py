"""One call as both ends know it: dialog, INVITE usage, timers, and what is remembered of it. No I/O."""
