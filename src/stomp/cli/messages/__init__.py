"""Receiving, sending and formatting messages, for the commands that do this."""
