"""How many requests to have in flight: the limit that finds an endpoint's capacity while it runs.

Pure: the caller says what happened and when, so it can be tested in simulated time.

An endpoint shows that it is full in one of two ways, and both are watched:

* It **refuses** (429, the 400 with a null message, 503). What was in flight besides the refused request is then what
  it takes, so the limit follows that number down. One more is tried again only after a long row of successes, because
  each try costs a refusal when the endpoint has not grown; while tries pass, they come quicker.
* It **queues**: more requests in flight only make each slower. The middle latency of a round is compared with the
  lowest of the last rounds: the limit grows while they are alike and shrinks in proportion when they are not. A middle,
  not the fastest: answers of a language model differ tenfold in length without any queue.

Rejected after measurement: watching throughput (too noisy to climb by), and refusals alone (against an endpoint that
never refuses the limit runs to its cap, and requests time out in the queue).
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from statistics import median
from typing import NamedTuple

START = 8
"""Requests in flight before anything is known."""

GROWTH = 1.0
"""What each success adds while nothing has pointed to a limit: twice as many with every round."""

GROWTH_LATER = GROWTH / 8
"""The same once something queued, as long as nothing was ever refused."""

NEARLY_FULL = 0.75
"""The share of the limit that must be in flight, at some time while a request is, for its success to count: a limit
that is not used must not grow, but the requests that it newly allows take a moment to be written. The moment of the
answer does not tell: answers often come all at once, and the last of them would find the endpoint empty."""

TOLERANCE = 1.5
"""How much slower than the quickest round a round may be before that counts as queueing."""

ROUND_FIRST = 8
ROUND = 32
"""Answers that make a round at least, while the limit grows freely and after that: the middle of few is noise."""

QUEUED_SMALLEST = 4
"""Queueing alone does not push the limit below this: that few cannot make each other late, and noise looks the same."""

ROUNDS_REMEMBERED = 64
"""Every so many rounds one is run at half the limit, to learn again what an answer takes without a queue."""

PATIENCE = 100
PATIENCE_MAX = 1600
"""Successes to see before one more request is tried than were once refused."""

CUT_DEEPEST = 0.25
"""The least that is left of the limit by refusals of requests that were all on their way at the same time."""

BAND_KNOWN = 8
BAND_FULL = 256
"""Requests that say something about how often a limit of this size is refused, and those after which old ones fade."""


class Ticket(NamedTuple):
    """A request in flight: when it began, and the limit then."""

    started: float
    limit: int


class Limit:
    """The number of requests to have in flight.

    Parameters
    ----------
    fixed : int, optional
        A number that the user chose; then nothing changes it.
    maximum : int
        The most that are tried.

    Attributes
    ----------
    in_flight : int
        Requests that have begun and not ended.
    maximum : int
        The most that are tried; may be changed while it runs.

    Examples
    --------
    >>> limit = Limit(maximum=64)
    >>> tickets = [limit.begin(now=0.0) for _ in range(8)]
    >>> for ticket in tickets[2:]:  # an endpoint that takes two refuses the rest
    ...     limit.refused(ticket, now=0.01)
    >>> limit.value
    2
    """

    def __init__(self, *, fixed: int | None = None, maximum: int) -> None:
        self.in_flight = 0
        self.maximum = maximum
        self._fixed = fixed
        self._limit = float(min(START, maximum))
        self._growing = True
        self._patience: float | None = None
        self._successes = 0
        self._full_at = -math.inf
        self._cut_at = -math.inf
        self._floor = 1.0
        self._bands: defaultdict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self._latencies: list[float] = []
        self._round_started = -math.inf
        self._rounds: deque[float] = deque(maxlen=ROUNDS_REMEMBERED)
        self._round_count = 0
        self._resting_from: float | None = None

    @property
    def value(self) -> int:
        """Requests that may be in flight now."""
        return self._fixed or max(1, min(int(self._limit), self.maximum))

    @property
    def room(self) -> bool:
        """Whether one more may begin."""
        return self.in_flight < self.value

    def begin(self, now: float) -> Ticket:
        """Count a request that is sent.

        Parameters
        ----------
        now : float
            Seconds of any clock.

        Returns
        -------
        Ticket
            To be given back when it ends.
        """
        self.in_flight += 1
        if self.in_flight >= NEARLY_FULL * self.value:
            self._full_at = now
        return Ticket(now, self.value)

    def ended(self) -> None:
        """Count a request that ended in a way that says nothing about capacity."""
        self.in_flight -= 1

    def succeeded(self, ticket: Ticket, now: float) -> None:
        """Learn from an answer.

        Parameters
        ----------
        ticket : Ticket
            Of the request.
        now : float
            When it was answered.
        """
        self.in_flight -= 1
        self._count(ticket, refused=False)
        if self._fixed:
            return
        latency = now - ticket.started
        if ticket.started >= self._round_started:
            self._latencies.append(latency)
            if len(self._latencies) >= max(ROUND_FIRST if self._growing else ROUND, self.value):
                self._end_round(now)
        if ticket.started <= self._full_at and self._resting_from is None:
            self._grow(ticket, latency)

    def refused(self, ticket: Ticket, now: float) -> None:
        """Learn from a refusal for want of capacity.

        Parameters
        ----------
        ticket : Ticket
            Of the request.
        now : float
            When it was refused.
        """
        self.in_flight -= 1
        self._count(ticket, refused=True)
        self._growing = False
        if not self._fewer_would_help(ticket):
            return
        self._successes = 0
        self._resting_from = None
        if ticket.started >= self._cut_at:
            self._cut_at = now
            self._floor = max(1.0, self._limit * CUT_DEEPEST)
            self._patience = min(PATIENCE_MAX, max(PATIENCE, 2 * (self._patience or 0)))
        self._limit = max(self._floor, min(self._limit, float(self.in_flight)))

    def _grow(self, ticket: Ticket, latency: float) -> None:
        if self._growing:
            usual = min(self._rounds) if self._rounds else median(self._latencies)
            self._limit += GROWTH if latency <= TOLERANCE * usual else 0.0
        elif self._patience is None or not self._fewer_would_help(ticket):
            self._limit += 0.0 if self._queueing else GROWTH_LATER if self._patience is None else GROWTH / 2
        else:
            self._successes += 1
            if self._successes >= self._patience and not self._queueing:
                self._limit = math.floor(self._limit) + 1.0
                self._successes = 0
                self._patience = max(self._limit, self._patience / 2)
        self._limit = min(self._limit, float(self.maximum))

    @property
    def _queueing(self) -> bool:
        return bool(self._rounds) and self._rounds[-1] > TOLERANCE * min(self._rounds)

    def _end_round(self, now: float) -> None:
        self._rounds.append(median(self._latencies))
        self._latencies.clear()
        self._round_started = now
        self._round_count += 1
        if self._resting_from is not None:
            self._limit, self._resting_from = self._resting_from, None
        elif self._round_count % ROUNDS_REMEMBERED == 0:
            self._resting_from, self._limit = self._limit, max(1.0, self._limit / 2)
        elif self._queueing:
            self._growing = False
            shrunk = self._limit * max(0.5, TOLERANCE * min(self._rounds) / self._rounds[-1])
            self._limit = min(self._limit, max(float(QUEUED_SMALLEST), shrunk))

    def _count(self, ticket: Ticket, *, refused: bool) -> None:
        band = self._bands[ticket.limit.bit_length()]
        if band[1] >= BAND_FULL:
            band[:] = band[0] / 2, band[1] / 2
        band[0] += refused
        band[1] += 1

    def _fewer_would_help(self, ticket: Ticket) -> bool:
        """Tell refusals of too much from those that come whatever is in flight.

        Limits are compared in bands, each twice as high as the one below. If no lower band was refused much less often
        than this one, other clients fill the endpoint, or it refuses at random: going slower only wastes time.
        """
        band = ticket.limit.bit_length()
        if band == 1:
            return not self._bands[1][0]
        lower = [self._share(other) for other, (_, seen) in self._bands.items() if other < band and seen >= BAND_KNOWN]
        return not lower or self._share(band) > 2 * min(lower)

    def _share(self, band: int) -> float:
        """Estimate how often a band is refused; a few requests that all passed do not prove that all would."""
        refused, seen = self._bands[band]
        return (refused + 0.1) / (seen + 4)
