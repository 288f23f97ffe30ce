"""Messages on standard input and output: formats, receiving, sending."""
