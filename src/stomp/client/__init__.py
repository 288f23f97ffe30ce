"""Drivers: they wait, so that the core need not."""
