"""The use cases, the one corridor behind every door: one part a subject, one method a command.

They are in `conversation centre phone browser diagnosis`, on `wiring`: what they share, `performance ledger door view`.
"""
