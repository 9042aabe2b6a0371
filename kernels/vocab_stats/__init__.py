"""Statistics of a distribution over the vocabulary for decoders, in one pass over its logits."""

from kernels.vocab_stats.dispatch import hidden_stats, vocab_stats
from kernels.vocab_stats.reference import VocabStats

__all__ = ["VocabStats", "hidden_stats", "vocab_stats"]
