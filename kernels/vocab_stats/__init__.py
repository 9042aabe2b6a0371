"""What decoders ask of a distribution over the vocabulary, in one read of its logits."""

from kernels.vocab_stats.dispatch import hidden_stats, vocab_stats
from kernels.vocab_stats.reference import VocabStats

__all__ = ["VocabStats", "hidden_stats", "vocab_stats"]
