"""The data plane: what consumers talk to. It reads what was applied, and runs while nothing applies."""
