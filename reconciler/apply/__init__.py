"""Doing what a plan says: upload, build, journal, broadcast, deliver, verify; and finishing what a dead process left."""
