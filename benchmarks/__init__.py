"""DESIGN §11's budget, measured against the peers in one run: `python -m benchmarks`. One module for each line of it."""
