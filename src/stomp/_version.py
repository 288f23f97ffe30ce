"""The version of this distribution; the build reads it from here, and so does ``stomp.__version__``."""

__version__ = "9.1.0"
