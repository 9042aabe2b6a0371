"""Programs that run a peer, in an environment of the peer's own; never imported by ours."""
