"""Being paid: what is asked, whether a payment is good, and what becomes of it (BRC-105, PROTOCOL §7)."""
