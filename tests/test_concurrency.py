"""The limit on requests in flight, in simulated time."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field

import pytest

from smrt_jupyter.scoring.concurrency import Limit, Ticket

LATENCY = 0.1


@dataclass
class Simulation:
    """An endpoint in simulated time, and a client that always has as much in flight as the limit allows."""

    requests: int
    capacity: int = 10_000  # more at once are refused
    workers: int = 10_000  # more at once queue
    refused_anyway: float = 0.0
    spread: float = 0.1
    limit: Limit = field(default_factory=lambda: Limit(maximum=64))
    seconds: float = 0.0
    sent: int = 0
    refused: int = 0
    course: list[int] = field(default_factory=list)

    def run(self) -> Simulation:
        chance = random.Random(7)
        events: list[tuple[float, int, str, Ticket | None]] = []
        queue: list[Ticket] = []
        left, busy, accepted, coming_back = self.requests, 0, 0, 0

        def later(seconds: float, kind: str, ticket: Ticket | None) -> None:
            heapq.heappush(events, (self.seconds + seconds, self.sent * 4 + len(events), kind, ticket))

        def work(ticket: Ticket) -> None:
            later(LATENCY * (1 + self.spread * chance.random()), "answered", ticket)

        while left or coming_back or events:
            while self.limit.room and (left or coming_back):
                left, coming_back = (left, coming_back - 1) if coming_back else (left - 1, 0)
                ticket = self.limit.begin(self.seconds)
                self.sent += 1
                if accepted >= self.capacity or chance.random() < self.refused_anyway:
                    later(0.003, "refused", ticket)
                    continue
                accepted += 1
                if busy < self.workers:
                    busy += 1
                    work(ticket)
                else:
                    queue.append(ticket)
            self.seconds, _, kind, known = heapq.heappop(events)
            if kind == "answered":
                assert known is not None
                self.limit.succeeded(known, self.seconds)
                accepted -= 1
                if queue:
                    work(queue.pop(0))
                else:
                    busy -= 1
            elif kind == "refused":
                assert known is not None
                self.limit.refused(known, self.seconds)
                self.refused += 1
                later(0.1 + 0.1 * chance.random(), "back", None)
            else:
                coming_back += 1
            self.course.append(self.limit.value)
        return self

    @property
    def of_ideal(self) -> float:
        """The throughput, as a share of what the endpoint could do if it were known."""
        return self.requests * LATENCY * (1 + self.spread / 2) / min(self.capacity, self.workers, 64) / self.seconds


@pytest.mark.parametrize("capacity", [1, 2, 8, 32])
def test_the_capacity_of_an_endpoint_that_refuses_is_found_with_few_refusals(capacity: int) -> None:
    ran = Simulation(1000, capacity=capacity).run()
    assert ran.of_ideal > 0.8
    assert ran.refused / ran.sent < 0.05
    assert abs(ran.course[-1] - capacity) <= max(1, capacity // 8)


@pytest.mark.parametrize("workers", [1, 4, 16, 32])
def test_an_endpoint_that_only_queues_is_kept_busy_without_a_long_queue(workers: int) -> None:
    ran = Simulation(4000, workers=workers).run()
    assert ran.of_ideal > 0.9
    assert ran.course[-1] < max(24, 2.5 * workers)


def test_a_queue_does_not_creep_up_in_a_long_run() -> None:
    """What an answer takes without a queue is learned again from time to time."""
    assert Simulation(30_000, workers=2).run().course[-1] <= 24


def test_an_endpoint_with_room_gets_as_much_as_is_allowed() -> None:
    ran = Simulation(2000).run()
    assert ran.course[-1] == 64
    assert ran.of_ideal > 0.85


def test_answers_of_very_different_length_are_not_taken_for_a_queue() -> None:
    """A language model's answers take between one and many times the shortest, whatever is in flight."""
    assert Simulation(4000, spread=6.0).run().course[-1] > 32


def test_refusals_that_do_not_depend_on_us_do_not_slow_us_down_for_long() -> None:
    ran = Simulation(2000, refused_anyway=0.2).run()
    assert ran.course[-1] > 32


def test_a_growing_endpoint_is_followed() -> None:
    limit = Limit(maximum=64)
    before = Simulation(300, capacity=4, limit=limit).run()
    assert limit.value <= 5
    Simulation(4000, capacity=32, limit=limit, seconds=before.seconds).run()
    assert limit.value >= 24


def test_a_shrinking_endpoint_is_followed() -> None:
    limit = Limit(maximum=64)
    before = Simulation(500, capacity=32, limit=limit).run()
    ran = Simulation(500, capacity=4, limit=limit, seconds=before.seconds).run()
    assert limit.value <= 5
    assert ran.refused / ran.sent < 0.2


def test_answers_that_come_all_at_once_let_the_limit_grow_as_those_that_come_one_by_one() -> None:
    limit = Limit(maximum=64)
    for now, value in ((0.0, 16), (0.1, 32), (0.2, 64)):
        tickets = [limit.begin(now) for _ in range(limit.value)]
        for ticket in tickets:
            limit.succeeded(ticket, now + 0.1)
        assert limit.value == value


def test_a_limit_that_is_not_used_does_not_grow() -> None:
    limit = Limit(maximum=64)
    for now in range(100):
        tickets = [limit.begin(float(now)) for _ in range(5)]
        for ticket in tickets:
            limit.succeeded(ticket, now + 0.1)
    assert limit.value == 8


def test_a_number_that_the_user_chose_stays() -> None:
    ran = Simulation(300, capacity=4, limit=Limit(fixed=7, maximum=64)).run()
    assert set(ran.course) == {7}


def test_the_maximum_holds_from_the_start() -> None:
    assert max(Simulation(300, limit=Limit(maximum=3)).run().course) == 3
