"""Frozen values that every other package speaks: ids, amounts, spans, diagnostics, errors, desired and observed state."""
