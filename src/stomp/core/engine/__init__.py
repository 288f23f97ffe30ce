"""The reconnecting client without I/O: the state that survives a lost connection, and its operations."""
