"""Time and memory of Glassbench compared with peers: `python -m bench [subject ...]`.

A subject is a module with `lines() -> Iterator[Line]`. A case is timed only where its result
equals the reference's; otherwise its line reports this and the command fails.
"""
