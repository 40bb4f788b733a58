"""A pool of workers, on an executor that does what a test tells it."""

import os
import select
import threading
import time
from queue import Empty, SimpleQueue

import pytest
from tests.support import wait_until

from manyhands.errors import ExecutorError
from manyhands.events import (
    Cargo,
    KillWorker,
    Logged,
    PartFailed,
    PartFinished,
    PartStopped,
    Reported,
    StartPart,
    WorkerJoined,
    WorkerLost,
)
from manyhands.joblib.callbacks import Callbacks
from manyhands.tasks.pool import PoolClosedError, TaskPool, WorkerDiedError
from manyhands.trial import Failure, Report, Result

GIVE_UP_S = 10


class Scripted:
    """An executor with one worker, whose events and errors a test puts in.

    Args:
        answer: What comes back for each task.
    """

    n_workers = 1
    is_busy = False

    def __init__(self, answer=lambda part: [PartFinished(part=part, result=Result(0.0, metrics={"answer": b""}))]):
        self.answer = answer
        self.coming = SimpleQueue()
        self.performed = []
        self.is_closed = False
        self.start_error = None

    def start(self, job, deliver, now):
        if self.start_error is not None:
            raise self.start_error
        self.deliver = deliver
        self.coming.put(WorkerJoined(worker="w"))

    def poll(self, timeout_s):
        try:
            event = self.coming.get(timeout=timeout_s)
        except Empty:
            return
        if isinstance(event, BaseException):
            raise event
        self.deliver(event)

    def perform(self, command):
        self.performed.append(command)
        if isinstance(command, StartPart):
            for event in self.answer(command.part):
                self.coming.put(event)

    def close(self):
        self.is_closed = True


class Wakeable(Scripted):
    """One that waits for nothing but the file descriptor it was given."""

    def wake_on(self, fd):
        self.fd = fd

    def poll(self, timeout_s):
        if self.coming.empty():
            select.select([self.fd], [], [], timeout_s)
        else:
            super().poll(0)


@pytest.fixture
def start():
    pools = []

    def call(executor, **settings):
        pools.append(TaskPool(executor, lambda params, trial: None, **settings))
        return pools[-1]

    yield call
    for pool in pools:
        pool.close()


def submit(pool, call="call"):
    return pool.submit(Cargo(b""), call)


@pytest.mark.parametrize("kind", [Scripted, Wakeable])
def test_a_task_has_its_answer(start, kind):
    future = submit(start(kind()))

    assert future.result(GIVE_UP_S).metrics == {"answer": b""}


def test_an_executor_that_can_be_woken_hears_of_a_task_at_once(start):
    pool = start(Wakeable())
    submit(pool).result(GIVE_UP_S)

    took = []
    for _ in range(20):
        began = time.perf_counter()
        submit(pool).result(GIVE_UP_S)
        took.append(time.perf_counter() - began)

    assert min(took) < 0.1  # a poll that nobody wakes lasts a second


def test_a_long_answer_is_put_together(start):
    def answer(part):
        yield Reported(part=part, reports=[Report(0, None, {"data": b"abc"})])
        yield Reported(part=part, reports=[Report(1, None, {"data": b"defg"})])
        yield PartFinished(part=part, result=Result(0.0, metrics={"sizes": [2, 5]}))

    found = submit(start(Scripted(answer))).result(GIVE_UP_S)

    assert [found.take(2), found.take(5)] == [b"ab", b"cdefg"]
    with pytest.raises(EOFError, match="1 bytes of a result are missing"):
        found.take(1)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (lambda part: PartFailed(part=part, failure=Failure("it was odd", "a traceback")), "it was odd"),
        (lambda part: PartStopped(part=part, reason="of a whim"), "of a whim"),
    ],
)
def test_a_task_that_the_worker_could_not_run_has_an_error(start, event, words):
    with pytest.raises(ExecutorError, match=words):
        submit(start(Scripted(lambda part: [event(part)]))).result(GIVE_UP_S)


def test_a_worker_that_dies_costs_its_task_the_attempt(start):
    def answer(part):
        if part.trial_id == 1 and part.attempt < 3:
            return [WorkerLost(worker="w", cause="it fell"), WorkerJoined(worker="w")]
        return [PartFinished(part=part, result=Result(0.0, metrics={"attempt": part.attempt}))]

    assert submit(start(Scripted(answer), max_attempts=3)).result(GIVE_UP_S).metrics == {"attempt": 3}
    with pytest.raises(WorkerDiedError, match="it fell"):
        submit(start(Scripted(answer), max_attempts=2)).result(GIVE_UP_S)


def test_an_executor_that_cannot_start_is_closed_and_says_why(start):
    executor = Scripted()
    executor.start_error = ExecutorError("there is no room")

    with pytest.raises(ExecutorError, match="there is no room"):
        start(executor)

    assert executor.is_closed


def test_an_executor_that_fails_ends_all_tasks_with_what_it_said(start):
    executor = Scripted(lambda part: [])
    pool = start(executor)
    futures = [submit(pool) for _ in range(5)]
    executor.coming.put(ExecutorError("the cluster is gone"))

    for future in futures:
        with pytest.raises(ExecutorError, match="the cluster is gone"):
            future.result(GIVE_UP_S)
    assert not pool.is_open
    with pytest.raises(PoolClosedError, match="the cluster is gone"):
        submit(pool)
    pool.close()
    assert executor.is_closed


def test_closing_ends_tasks_that_are_not_done(start):
    pool = start(Scripted(lambda part: []))
    future = submit(pool)

    pool.close()

    with pytest.raises(PoolClosedError):
        future.result(GIVE_UP_S)
    assert pool.is_idle


def test_cancelling_spares_other_calls(start):
    executor = Scripted(lambda part: [])
    pool = start(executor)
    mine, other = submit(pool, "mine"), submit(pool, "other")

    wait_until(lambda: len(executor.performed) == 2, "the worker has both")

    pool.cancel("mine", [mine])

    assert mine.cancelled()
    wait_until(lambda: isinstance(executor.performed[-1], KillWorker), "the worker is killed")
    executor.answer = lambda part: [PartFinished(part=part, result=Result(0.0))]
    executor.coming.put(WorkerLost(worker="w", cause="it was killed"))
    executor.coming.put(WorkerJoined(worker="w2"))
    other.result(GIVE_UP_S)


def test_without_tasks_for_long_it_gives_its_workers_back(start):
    executor = Scripted()
    pool = start(executor, idle_timeout_s=0.05)
    submit(pool).result(GIVE_UP_S)

    pool._thread.join(GIVE_UP_S)

    assert executor.is_closed
    assert not pool.is_open


def test_no_file_descriptor_is_left_open(start):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        start(Scripted()).close()

    assert len(os.listdir("/proc/self/fd")) == before


def test_output_is_shown_whatever_has_become_of_standard_output(start, monkeypatch, capsys):
    def answer(part):
        return [Logged(part=part, text="hello\n"), PartFinished(part=part, result=Result(0.0))]

    submit(start(Scripted(answer))).result(GIVE_UP_S)
    assert capsys.readouterr().out == "hello\n"

    monkeypatch.setattr("sys.stdout", None)
    submit(start(Scripted(answer))).result(GIVE_UP_S)


def test_callbacks_run_in_order_in_a_thread_of_their_own_and_one_that_raises_harms_no_other(caplog):
    callbacks, done = Callbacks(), SimpleQueue()

    callbacks.put(lambda: done.put(threading.current_thread()))
    callbacks.put(lambda: 1 / 0)
    callbacks.put(lambda: done.put("second"))
    thread = done.get(timeout=GIVE_UP_S)
    assert done.get(timeout=GIVE_UP_S) == "second"
    callbacks.close()
    thread.join(GIVE_UP_S)

    assert thread is not threading.main_thread()
    assert not thread.is_alive()
    assert "ZeroDivisionError" in caplog.text
