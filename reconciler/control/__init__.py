"""Reconciling: load, observe, plan, agree, apply; the one code path that plan, apply and watch share."""
