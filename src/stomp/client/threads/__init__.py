"""A connection that is run by threads."""
