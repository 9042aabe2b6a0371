"""Attacks on the running product: workers killed, sockets that never read, hostile requests.

`make soak` runs all of them, on loopback alone and bounded in number and time. Unlike a test, a
part of a soak repeats the same thing until rare faults show; unlike a benchmark, it times nothing.
"""
