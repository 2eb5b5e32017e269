"""The bytes of datasets: their digests, and descriptions made from them."""
