"""Formats and conversations: bytes to frozen values and back, checks of what strangers send, flows that yield.

Nothing here reads a clock, draws randomness, holds a key or touches a socket; all of it arrives as arguments.
"""
