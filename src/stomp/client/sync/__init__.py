"""`stomp.Client`, which blocks."""
