"""The long run: `python -m tests.faults.long --faults 1000 --seed 1`.

Scenario after scenario until so many faults have struck and every one of the catalogue has; then a table of fault by outcome. A
violated invariant ends it with exit code 1, the seed, and the fewest faults that were found to lead there.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tests.faults.catalogue import Fault, Injection, Kinds, Peer, everything
from tests.faults.scenario import Scenario, Shape, Struck, ViolationError

ROUNDS: Final = 6
"""Of a scenario."""
SHAPES: Final = {"small": Shape(), "records": Shape(goods=24, first=16), "batches": Shape(goods=6, first=4, batch=2)}
_AT_FIRST: Final = frozenset({Peer.FAUCET, Peer.INDEX})
"""Who is spoken to only while the wallet is empty: by the first apply."""
_MOST_AT_ONCE: Final = 5
_TRIES: Final = 4
"""How often a fault may miss before it gets a round to itself."""
_GIVEN_UP: Final = 8
"""How often it may miss before the run ends without it, and says so."""


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario and its faults, round by round: what to run again."""

    seed: str
    rounds: tuple[tuple[Injection, ...], ...]
    shape: str = "small"

    @property
    def faults(self) -> int:
        return sum(map(len, self.rounds))

    def __str__(self) -> str:
        return json.dumps([self.seed, self.shape, [[str(each) for each in faults] for faults in self.rounds]])

    @classmethod
    def parse(cls, text: str) -> Case:
        """Read what `str` wrote."""
        seed, shape, rounds = json.loads(text)
        return cls(seed, tuple(tuple(map(Injection.parse, faults)) for faults in rounds), shape)


class Quota:
    """Which faults are still to strike, drawn so that all of the catalogue come before any comes twice."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(f"quota {seed}")
        cells = list(everything())
        self._chance.shuffle(cells)
        self.missing = deque(cells)
        self._missed: Counter[Injection] = Counter()

    def draw(self, number: int) -> tuple[Injection, ...]:
        """The faults of the `number`th round of a scenario, from 0."""
        fitting = [each for each in self.missing if self._fits(each, number)]
        stubborn = next((each for each in fitting if _TRIES <= self._missed[each] < _GIVEN_UP), None)
        if stubborn is not None:
            return (stubborn,)
        others = [each for each in everything() if self._fits(each, number)]
        drawn = fitting[: self._chance.randint(1, 4)]
        wanted = self._chance.randint(1, _MOST_AT_ONCE)
        while len(drawn) < wanted:
            drawn.append(self._chance.choice(others))
        return tuple(dict.fromkeys(drawn))

    @property
    def is_met(self) -> bool:
        """Whether all have struck, or are not going to."""
        return all(self._missed[each] >= _GIVEN_UP for each in self.missing)

    def note(self, drawn: Sequence[Injection], struck: Sequence[Struck]) -> None:
        """What became of what was drawn."""
        happened = {each.injection for each in struck}
        self.missing = deque(each for each in self.missing if each not in happened)
        for each in drawn:
            if each in self.missing:
                self.missing.remove(each)
                self.missing.append(each)
                self._missed[each] += 1

    @staticmethod
    def _fits(injection: Injection, number: int) -> bool:
        """A first apply is the only one that needs coins, and has nothing that a reset or a rival could take away."""
        moment = injection.moment
        if moment.kind is Kinds.REQUEST and moment.of in _AT_FIRST:
            return number == 0
        return number > 0 or injection.fault not in {Fault.RESET, Fault.RIVAL, Fault.RIVAL_MINED, Fault.DOUBLE_SPEND}


class ViolatedError(Exception):
    """An invariant does not hold: in which case, and what."""

    def __init__(self, case: Case, what: str, story: Sequence[str]) -> None:
        super().__init__(what)
        self.case = case
        self.what = what
        self.story = tuple(story)


def play(
    case: Case,
    draw: Callable[[int], tuple[Injection, ...]] | None = None,
    note: Callable[[Sequence[Injection], Sequence[Struck]], None] = lambda *_: None,
) -> None:
    """Run a case; or, with `draw`, as many rounds as it has, with other faults. `note` hears what struck. Raises ViolatedError."""
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    scenario = Scenario(case.seed, folder, SHAPES[case.shape])
    played: list[tuple[Injection, ...]] = []
    try:
        for number, faults in enumerate(case.rounds):
            played.append(faults if draw is None else draw(number))
            note(played[-1], scenario.round(played[-1], look_closely=number == ROUNDS - 1))
        scenario.end()
    except ViolationError as error:
        raise ViolatedError(replace(case, rounds=tuple(played)), str(error), scenario.story) from error
    finally:
        shutil.rmtree(folder)


def smallest(case: Case) -> Case:
    """The same with fewer faults, as long as it still violates something: without the earlier rounds', then without each one."""
    last = replace(case, rounds=(*((),) * (len(case.rounds) - 1), case.rounds[-1]))
    best = _still_violated(last) or case
    for at, faults in enumerate(best.rounds):
        for each in faults:
            fewer = tuple(
                tuple(other for other in there if (number, other) != (at, each))
                for number, there in enumerate(best.rounds)
            )
            best = _still_violated(replace(best, rounds=fewer)) or best
    return best


def _still_violated(case: Case) -> Case | None:
    try:
        play(case)
    except ViolatedError as violated:
        return violated.case
    return None


def table(struck: Sequence[Struck]) -> str:
    """Fault by outcome of the apply that met it."""
    outcomes = sorted({each.outcome for each in struck})
    counted = Counter((each.injection.fault, each.outcome) for each in struck)
    width = max(len(outcome) for outcome in outcomes) + 2
    lines = [f"{'':34}" + "".join(f"{outcome:>{width}}" for outcome in outcomes)]
    for fault in Fault:
        row = [counted[fault, outcome] for outcome in outcomes]
        lines.append(f"{fault:34}" + "".join(f"{count or '':>{width}}" for count in row))
    totals = [sum(counted[fault, outcome] for fault in Fault) for outcome in outcomes]
    lines.append(f"{'':34}" + "".join(f"{count:>{width}}" for count in totals))
    return "\n".join(lines)


def run(*, faults: int, seed: int, shape: str, keep_going: bool, say: Callable[[str], None]) -> int:
    """Run until `faults` have struck and none of the catalogue is missing; the exit code."""
    quota, began = Quota(seed), time.monotonic()
    struck: list[Struck] = []
    number = rounds = violated = 0

    def note(drawn: Sequence[Injection], happened: Sequence[Struck]) -> None:
        nonlocal rounds
        rounds += 1
        struck.extend(happened)
        quota.note(drawn, happened)

    while len(struck) < faults or not quota.is_met:
        number += 1
        case = Case(f"{seed}/{number}", ((),) * ROUNDS, shape)
        try:
            play(case, quota.draw, note)
        except KeyboardInterrupt:  # the table is of what has been seen until now
            break
        except ViolatedError as violation:
            violated += 1
            say(f"\nVIOLATED, seed {violation.case.seed}: {violation.what}\n" + "\n".join(violation.story))
            if not keep_going:
                say(f"\nreproduce:\n  python -m tests.faults.long --replay '{smallest(violation.case)}'")
                return 1
            say(f"replay: {violation.case}")
        say(
            f"{number:4} scenarios, {rounds} rounds, {len(struck)} faults, {len(quota.missing)} of the catalogue missing, "
            f"{time.monotonic() - began:.0f} s"
        )
    say("\n" + table(struck))
    say(
        f"\n{len(struck)} faults struck in {rounds} rounds of {number} scenarios, {len({s.injection for s in struck})} different"
        f" of {len(everything())}, {time.monotonic() - began:.0f} seconds, {violated} violations"
    )
    for each in quota.missing:
        say(f"never struck: {each}")
    return 1 if violated or quota.missing else 0


def main(arguments: Sequence[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.long", description=__doc__)
    parser.add_argument("--faults", type=int, default=1000, help="how many have to strike")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="small", help="how much the producer publishes")
    parser.add_argument("--keep-going", action="store_true", help="count violations instead of stopping at the first")
    parser.add_argument("--replay", metavar="CASE", help="run one case again, as a violation printed it")
    given = parser.parse_args(arguments)

    def say(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    if given.replay:
        struck: list[Struck] = []
        try:
            play(Case.parse(given.replay), note=lambda _, happened: struck.extend(happened))
        except ViolatedError as violation:
            say(f"VIOLATED: {violation.what}\n" + "\n".join(violation.story))
            return 1
        say(table(struck) if struck else "no fault struck")
        return 0
    return run(faults=given.faults, seed=given.seed, shape=given.shape, keep_going=given.keep_going, say=say)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
