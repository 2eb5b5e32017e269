"""Buying from producers: found, checked, paid, downloaded, opened. Needs a key and some coins, and nothing of a producer's."""
