"""An overlay host: takes transactions by topic (BRC-22), keeps what is admitted, answers look-ups about it (BRC-24)."""
