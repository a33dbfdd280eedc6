"""The user agent without I/O: what is said when, in requests and responses of ours and theirs.

`agent` has two halves, `user_agent_client` and `user_agent_server`; each kind of request has a module below them.
"""
