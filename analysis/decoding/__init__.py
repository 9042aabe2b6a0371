"""The core of all decoders: one trace format, random streams, stop rules, costs."""
