"""Whether two ids mean one source of truth (PROTOCOL §4): the manifests that a published state was applied from.

An id is the producer's name and, only where a git remote exists, a space and repository and folder:
`acme` or `acme github.com/acme/data/feeds`. A name contains no space.
"""

from __future__ import annotations


def same_source(ours: str, theirs: str) -> bool:
    """Whether the ids agree; where one side has no repository, names alone decide."""
    our_name, _, our_place = ours.partition(" ")
    their_name, _, their_place = theirs.partition(" ")
    return our_name == their_name and (our_place == their_place or not our_place or not their_place)
