"""A storage host: keeps bytes by their hash for a time, and advertises on chain that it does (UHRP, BRC-26)."""
