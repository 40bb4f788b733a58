"""Each slot of a search on Spark has a job; one that ends is handed in again; at the end none is left."""

import itertools
import logging
from types import SimpleNamespace

import pytest

from manyhands.executors.spark import slots as slots_module
from manyhands.executors.spark.slots import Ended, Slots

NOBODY = frozenset()


class Job:
    """A job that ends when it is told to."""

    def __init__(self):
        self.said = None
        self.error = None
        self.is_over = False

    def end(self, said=None, error=None):
        self.said, self.error, self.is_over = said, error, True


class Cluster:
    """Stands for Spark, and for the time that passes."""

    def __init__(self):
        self.now = 100.0
        self.jobs = []  # (slot, job), in the order they were handed in
        self.cancelled = []  # (slot, seconds)
        self.heeds = True  # whether a job that is cancelled ends
        self.fails = False
        self.begun = set()  # slots whose tasks run

    def start(self, slot):
        self.jobs.append((slot, Job()))
        return self.jobs[-1][1]

    def cancel(self, slot):
        self.cancelled.append((slot, round(self.now - 100.0, 2)))
        if self.fails:
            raise ConnectionError("the session is gone")
        if self.heeds:
            self.job(slot).end(error="cancelled")

    def job(self, slot):
        """The latest job of a slot."""
        return next(job for number, job in reversed(self.jobs) if number == slot)

    def n_jobs(self, slot):
        return sum(number == slot for number, _ in self.jobs)

    def sleep(self, seconds):
        self.now += seconds

    def slots(self, n):
        return Slots(n, self.start, self.cancel, self.begun.__contains__, clock=lambda: self.now)


@pytest.fixture
def cluster(monkeypatch):
    cluster = Cluster()
    monkeypatch.setattr(slots_module, "time", SimpleNamespace(sleep=cluster.sleep))
    return cluster


def wait_for_the_next_job(cluster, slots, slot, most_s=100.0):
    """How many seconds it takes until another job of this slot is handed in."""
    began, n_jobs = cluster.now, cluster.n_jobs(slot)
    while cluster.n_jobs(slot) == n_jobs:
        assert cluster.now - began < most_s, "no other job is handed in"
        cluster.sleep(1 / 64)
        slots.look(NOBODY)
    return cluster.now - began


def test_all_slots_are_handed_in_at_once_and_only_once(cluster):
    slots = cluster.slots(3)

    ended = [slots.look(NOBODY) for _ in range(5)]

    assert [slot for slot, _ in cluster.jobs] == [0, 1, 2]
    assert ended == [[]] * 5


def test_slots_are_taken_as_long_as_they_have_a_job(cluster):
    slots = cluster.slots(3)
    assert slots.taken == []
    slots.look(NOBODY)
    assert slots.taken == [0, 1, 2]

    cluster.job(1).end()
    slots.look(NOBODY)

    assert slots.taken == [0, 2]


def test_the_end_of_a_job_is_reported_once_with_what_was_said(cluster):
    slots = cluster.slots(2)
    slots.look(NOBODY)
    cluster.job(0).end(said="words")
    cluster.job(1).end(error="Py4JError: no")

    first, second = slots.look(NOBODY), slots.look(NOBODY)

    assert first == [Ended(0, "words", None, False), Ended(1, None, "Py4JError: no", False)]
    assert second == []


def test_a_slot_has_worked_if_it_ever_had_a_worker_since_its_job_began(cluster):
    slots = cluster.slots(2)
    slots.look(NOBODY)
    slots.look({1})
    slots.look(NOBODY)
    cluster.job(0).end()
    cluster.job(1).end()
    assert [ended.has_worked for ended in slots.look(NOBODY)] == [False, True]
    wait_for_the_next_job(cluster, slots, 1)

    cluster.job(1).end()

    assert [ended.has_worked for ended in slots.look(NOBODY)] == [False]


def test_each_failure_in_a_row_doubles_the_wait_up_to_half_a_minute(cluster):
    slots = cluster.slots(1)
    slots.look(NOBODY)

    waits = []
    for _ in range(10):
        cluster.job(0).end(error="no")
        slots.look(NOBODY)
        waits.append(wait_for_the_next_job(cluster, slots, 0))

    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0, 30.0]


def test_thousands_of_failures_in_a_row_are_no_trouble(cluster):
    slots = cluster.slots(1)
    slots.look(NOBODY)
    for _ in range(2000):
        cluster.job(0).end(error="no")
        slots.look(NOBODY)
        cluster.sleep(30.0)
        slots.look(NOBODY)

    assert cluster.n_jobs(0) == 2001


def test_a_slot_that_has_worked_is_handed_in_again_soon(cluster):
    slots = cluster.slots(1)
    slots.look(NOBODY)
    for _ in range(4):
        cluster.job(0).end(error="no")
        slots.look(NOBODY)
        wait_for_the_next_job(cluster, slots, 0)

    slots.look({0})
    cluster.job(0).end(error="its executor was lost")
    slots.look(NOBODY)
    after_work = wait_for_the_next_job(cluster, slots, 0)
    cluster.job(0).end(error="no")
    slots.look(NOBODY)
    after_failure = wait_for_the_next_job(cluster, slots, 0)

    assert (after_work, after_failure) == (0.25, 0.5)


def test_one_slots_failures_do_not_hold_up_another(cluster):
    slots = cluster.slots(2)
    slots.look(NOBODY)
    for _ in range(6):
        cluster.job(0).end(error="no")
        slots.look({1})
        wait_for_the_next_job(cluster, slots, 0)
    cluster.job(0).end(error="no")
    cluster.job(1).end(error="no")
    slots.look({1})

    assert wait_for_the_next_job(cluster, slots, 1) == 0.25
    assert cluster.job(0).is_over


def test_at_the_end_tasks_that_were_not_told_are_cancelled_at_once(cluster):
    slots = cluster.slots(3)
    slots.look(NOBODY)
    cluster.job(2).end(said="over")

    slots.close(told=NOBODY)

    assert cluster.cancelled == [(0, 0.0), (1, 0.0)]


def test_tasks_that_have_just_begun_are_left_to_see_for_themselves_and_those_that_wait_are_cancelled(cluster):
    """Who is killed in the middle of its beginning leaves a folder behind."""
    slots = cluster.slots(2)
    slots.look(NOBODY)
    cluster.begun.add(1)

    slots.close(told=NOBODY)

    assert cluster.cancelled == [(0, 0.0), (1, pytest.approx(3.0, abs=0.5))]


def test_tasks_that_were_told_to_end_are_given_a_while_before_they_are_cancelled(cluster):
    slots = cluster.slots(2)
    slots.look(NOBODY)

    slots.close(told={0})

    assert cluster.cancelled[0] == (1, 0.0)
    assert [slot for slot, _ in cluster.cancelled] == [1, 0]
    assert 3.0 <= cluster.cancelled[1][1] < 3.6


def test_tasks_that_end_by_themselves_are_not_cancelled(cluster, monkeypatch):
    slots = cluster.slots(2)
    slots.look(NOBODY)

    def sleep(seconds):
        cluster.sleep(seconds)
        if cluster.now > 101.0:
            for slot in (0, 1):
                cluster.job(slot).end(said="the search is over")

    monkeypatch.setattr(slots_module, "time", SimpleNamespace(sleep=sleep))
    slots.close(told={0, 1})

    assert cluster.cancelled == []
    assert cluster.now < 101.1


def test_a_job_that_a_cancellation_missed_is_cancelled_again_and_in_the_end_given_up(cluster, caplog):
    cluster.heeds = False
    slots = cluster.slots(1)
    slots.look(NOBODY)

    with caplog.at_level(logging.WARNING, logger="manyhands"):
        slots.close(told=NOBODY)

    times = [seconds for _, seconds in cluster.cancelled]
    assert len(times) >= 20
    assert all(0.5 <= later - earlier < 0.6 for earlier, later in itertools.pairwise(times))
    assert 20.0 < cluster.now - 100.0 < 20.1
    assert "Spark has not ended 1 of the search's jobs; see its UI" in caplog.text


def test_a_session_that_is_gone_does_not_keep_the_search_from_ending(cluster):
    cluster.fails, cluster.heeds = True, False
    slots = cluster.slots(1)
    slots.look(NOBODY)

    slots.close(told=NOBODY)

    assert len(cluster.cancelled) > 1


def test_slots_that_were_never_handed_in_are_no_trouble_at_the_end(cluster):
    cluster.slots(2).close(told=NOBODY)

    assert cluster.cancelled == []
