"""Thin shells that put the wire's formats onto HTTP; business decisions are made elsewhere."""
