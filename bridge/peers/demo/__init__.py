"""`warmbridge demo`: who plays what, played through, looked at while it runs, and judged."""
