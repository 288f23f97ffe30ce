"""The clients: they do the I/O and the waiting for `stomp.core`, which does neither."""
