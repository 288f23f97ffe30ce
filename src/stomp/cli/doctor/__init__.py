"""The steps of `stomp doctor`."""
