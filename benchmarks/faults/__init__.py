"""The fault matrix: every provider fails in every way at every moment of a call, over real sockets (`matrix.main`)."""
