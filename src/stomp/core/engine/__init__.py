"""The reconnecting client without I/O: what outlives one connection."""
