"""The benchmark kit of stompkit: see README.md."""
