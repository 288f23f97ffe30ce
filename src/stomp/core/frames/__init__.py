"""Bytes to frames and back: no connection is known here."""
