"""`stomp.Client`, the blocking client."""
