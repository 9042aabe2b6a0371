"""The core that all decoders share: one trace format, random streams, stop rules, costs."""
