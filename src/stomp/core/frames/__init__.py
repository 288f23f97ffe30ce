"""Encoding and decoding of frames. Nothing here depends on a connection."""
