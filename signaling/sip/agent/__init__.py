"""The user agent without I/O: what is said when, in requests and responses of ours and theirs."""
