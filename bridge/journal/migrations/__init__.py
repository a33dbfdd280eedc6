"""The schema of the journal, step by step; `bridge.journal.database` runs them when it opens one."""
