"""The implementation of the listener API, which is that of stomp.py."""
