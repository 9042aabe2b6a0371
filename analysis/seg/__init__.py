"""SEG similarity: what its maps, points, masks and causal check are made of."""
