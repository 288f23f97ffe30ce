"""What the listener API of stomp.py is built from."""
