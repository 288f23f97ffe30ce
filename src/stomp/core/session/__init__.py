"""One connection without I/O, for either end."""
