"""The chain from both ends: asking ARC and headers about the real one, and an embedded one that is real enough to be asked."""
