"""The embedded and local worlds: chain, ARC and hosts that nobody else runs, put together from the pieces below."""
