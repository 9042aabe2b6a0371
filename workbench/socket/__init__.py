"""The socket of a page: runs and sessions that it watches."""
