"""Reading the world: what hosts, chain and our own database say is live, as of when and from whom. Writes nothing."""
