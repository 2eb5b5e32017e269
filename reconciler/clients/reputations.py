"""The reputations of all hosts that somebody asks, kept in memory while the process lives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from reconciler.model.reputation import Reputation

_MOST: Final = 1024
"""Hosts that are remembered: strangers name as many as they like."""


class Reputations:
    """By URL. `clock` gives seconds, `dice` numbers from 0 to 1, which spread those who failed together."""

    def __init__(self, *, clock: Callable[[], float], dice: Callable[[], float]) -> None:
        self._clock = clock
        self._dice = dice
        self._known: dict[str, Reputation] = {}

    def of(self, url: str) -> Reputation:
        """A host's."""
        return self._known.get(url, Reputation())

    def answered(self, url: str, seconds: float) -> None:
        """It answered after so many seconds."""
        self._keep(url, self.of(url).after_answer(seconds))

    def silent(self, url: str) -> None:
        """It did not answer, or answered nonsense."""
        self._keep(url, self.of(url).after_silence(now=self._clock(), dice=self._dice()))

    def lied(self, url: str) -> None:
        """It showed what is not so."""
        self._keep(url, self.of(url).after_lie(now=self._clock(), dice=self._dice()))

    def awake(self, urls: Iterable[str]) -> tuple[str, ...]:
        """Those that may be asked now, the best first; where all rest, the one that has rested the most."""
        ranked = sorted(dict.fromkeys(urls), key=lambda url: self.of(url).rank)
        now = self._clock()
        awake = tuple(url for url in ranked if not self.of(url).rests(now))
        return awake or tuple(sorted(ranked, key=lambda url: self.of(url).rests_until)[:1])

    def _keep(self, url: str, reputation: Reputation) -> None:
        self._known.pop(url, None)
        self._known[url] = reputation
        if len(self._known) > _MOST:
            del self._known[next(iter(self._known))]
