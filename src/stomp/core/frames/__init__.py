"""Encoding and decoding of frames. Nothing here knows a connection."""
