"""A connection run by threads."""
