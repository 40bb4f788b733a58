"""Which task is where: given, given ahead, called back, lost and cancelled."""

import pytest

from manyhands.events import Cargo, KillWorker, RecallParts, StartPart
from manyhands.tasks.desk import Desk, Task


@pytest.fixture
def desk():
    return Desk(max_attempts=1)


def add(desk, *numbers, call="call"):
    tasks = [Task(number, Cargo(b""), call) for number in numbers]
    for task in tasks:
        desk.add(task)
    return tasks


def assigned(desk, now=0.0):
    return [(command.worker, command.part.trial_id) for command in desk.assign(now)]


def test_the_worker_with_least_to_do_is_given_the_next_task(desk):
    add(desk, 1, 2, 3)
    desk.joined("a")
    desk.joined("b")

    assert assigned(desk) == [("a", 1), ("b", 2), ("a", 3)]


def test_a_worker_holds_no_more_than_three_tasks(desk):
    add(desk, 1, 2, 3, 4)
    desk.joined("a")

    assert assigned(desk) == [("a", 1), ("a", 2), ("a", 3)]


def test_a_task_travels_with_its_cargo(desk):
    task = Task(1, Cargo(b"data", ["/file"]), "call")
    desk.add(task)
    desk.joined("a")

    assert list(desk.assign(0.0)) == [StartPart("a", task.part, {}, None, task.cargo)]


def test_the_end_of_a_task_is_known_by_its_part_once(desk):
    (task,) = add(desk, 1)
    desk.joined("a")
    assigned(desk)
    part = task.part

    assert desk.find(part) is task
    assert desk.ended(part, 0.0) is task
    assert desk.ended(part, 0.0) is None
    assert desk.is_empty


def test_what_is_ahead_of_a_long_task_is_called_back_for_a_worker_without_work(desk):
    first, second = add(desk, 1, 2)
    desk.joined("a")
    assigned(desk)
    desk.joined("b")

    assert list(desk.look(0.001)) == []  # it may be over in a moment
    assert list(desk.look(0.01)) == [RecallParts("a")]
    assert list(desk.look(0.02)) == []  # once is enough

    desk.returned(second.part, 0.02)

    assert assigned(desk) == [("b", 2)]
    assert desk.find(first.part) is first


def test_nothing_is_called_back_while_tasks_wait_or_nobody_is_idle(desk):
    add(desk, 1, 2, 3, 4, 5, 6, 7)
    desk.joined("a")
    desk.joined("b")
    assigned(desk)

    assert list(desk.look(10.0)) == []


def test_the_task_of_a_lost_worker_is_given_up_and_those_ahead_of_it_go_elsewhere(desk):
    first, *_ = add(desk, 1, 2, 3)
    desk.joined("a")
    assigned(desk)

    assert desk.lost("a") is first

    desk.joined("b")
    assert assigned(desk) == [("b", 2), ("b", 3)]


def test_a_task_may_cost_as_many_workers_as_was_said():
    desk = Desk(max_attempts=3)
    (task,) = add(desk, 1)
    parts = []
    for worker in ("a", "b"):
        desk.joined(worker)
        assigned(desk)
        parts.append(task.part)
        assert desk.lost(worker) is None
    desk.joined("c")
    assigned(desk)

    assert desk.find(parts[0]) is None  # what a lost worker still said is of no account
    assert desk.lost("c") is task


def test_what_came_of_a_lost_attempt_is_forgotten():
    desk = Desk(max_attempts=2)
    (task,) = add(desk, 1)
    desk.joined("a")
    assigned(desk)
    task.chunks.append(b"half")

    desk.lost("a")

    assert not task.chunks


def test_cancelling_drops_what_waits_and_kills_only_who_works_for_that_call(desk):
    add(desk, 1, call="mine")
    (other,) = add(desk, 2, call="other")
    add(desk, 3, 4, 5, 6, 7, call="mine")
    desk.joined("a")
    desk.joined("b")
    assert assigned(desk) == [("a", 1), ("b", 2), ("a", 3), ("b", 4), ("a", 5), ("b", 6)]

    commands = list(desk.cancel("mine", 0.0))

    assert commands == [KillWorker("a", "its task was cancelled"), RecallParts("b")]
    assert desk.tasks() == [other]
    assert desk.lost("a") is None
    desk.joined("c")
    assert assigned(desk) == []


def test_a_cancelled_task_that_began_all_the_same_costs_its_worker_after_a_moment(desk):
    (other,) = add(desk, 1, call="other")
    (mine,) = add(desk, 2, call="mine")
    desk.joined("a")
    assigned(desk)
    list(desk.cancel("mine", 0.0))
    desk.ended(other.part, 0.1)  # and its worker had taken the next before it heard

    assert list(desk.look(0.2)) == []
    assert desk.next_look_s() is not None
    assert list(desk.look(1.0)) == [KillWorker("a", "its task was cancelled")]
    assert desk.ended(mine.part, 1.1) is None
    assert desk.is_empty


def test_those_ahead_of_a_cancelled_task_of_a_killed_worker_are_not_charged(desk):
    add(desk, 1, call="mine")
    (other,) = add(desk, 2, call="other")
    desk.joined("a")
    assigned(desk)
    list(desk.cancel("mine", 0.0))

    assert desk.lost("a") is None
    assert other.n_lost == 0
    desk.joined("b")
    assert assigned(desk) == [("b", 2)]


def test_a_task_that_was_begun_between_a_cancelled_one_and_the_kill_is_not_charged(desk):
    (mine,) = add(desk, 1, call="mine")
    (other,) = add(desk, 2, call="other")
    desk.joined("a")
    assigned(desk)
    list(desk.cancel("mine", 0.0))
    desk.ended(mine.part, 0.0)  # just before the signal came

    assert desk.lost("a") is None
    desk.joined("b")
    assert assigned(desk) == [("b", 2)]
    assert other.n_lost == 0


def test_a_worker_that_is_to_end_is_given_nothing_more(desk):
    (mine,) = add(desk, 1, call="mine")
    desk.joined("a")
    assigned(desk)
    list(desk.cancel("mine", 0.0))
    desk.ended(mine.part, 0.0)
    add(desk, 2, call="other")

    assert assigned(desk) == []
    desk.joined("b")
    assert assigned(desk) == [("b", 2)]
