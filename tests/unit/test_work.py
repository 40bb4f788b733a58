from manyhands.trial import Part
from manyhands.work import WorkQueue


def parts(*trial_ids: int) -> list[Part]:
    return [Part(i) for i in trial_ids]


def busy(*workers: str, timeout_s: float | None = None) -> WorkQueue:
    """A queue in which each worker has a trial, numbered from 0."""
    queue = WorkQueue(timeout_s)
    for worker in workers:
        queue.join(worker)
    queue.add(parts(*range(len(workers))))
    for _ in workers:
        queue.take(0.0)
    return queue


def quick() -> WorkQueue:
    """A queue with one free worker that has shown that parts take a millisecond."""
    queue = WorkQueue(ahead=True)
    queue.join("w")
    queue.add(parts(99))
    queue.take(0.0)
    queue.finish(Part(99), 0.001)
    return queue


# -- giving out ----------------------------------------------------------------------------------------------------


def test_nothing_is_taken_without_parts() -> None:
    queue = WorkQueue()
    queue.join("w")

    assert queue.take(0.0) is None


def test_nothing_is_taken_without_workers() -> None:
    queue = WorkQueue()
    queue.add(parts(0))

    assert queue.take(0.0) is None


def test_parts_are_taken_in_their_order() -> None:
    queue = WorkQueue()
    queue.add(parts(0, 1))
    queue.join("a")
    queue.join("b")

    assert [queue.take(0.0), queue.take(0.0)] == [("a", Part(0)), ("b", Part(1))]


def test_the_worker_free_for_longest_comes_first() -> None:
    queue = busy("a", "b")
    queue.finish(Part(1), 1.0)
    queue.finish(Part(0), 2.0)
    queue.add(parts(5, 6))

    assert [queue.take(3.0), queue.take(3.0)] == [("b", Part(5)), ("a", Part(6))]


def test_a_worker_holds_one_part_at_a_time() -> None:
    queue = busy("w")
    queue.add(parts(1))

    assert queue.take(0.0) is None


def test_a_part_put_back_goes_before_all_others() -> None:
    queue = WorkQueue()
    queue.add(parts(1, 2))
    queue.put_back(Part(0, 0, 2))
    queue.join("w")

    assert queue.take(0.0) == ("w", Part(0, 0, 2))


def test_there_is_room_while_a_worker_is_free_and_nothing_waits() -> None:
    queue = WorkQueue()
    queue.join("w")

    assert queue.has_room
    queue.add(parts(0))
    assert not queue.has_room
    queue.take(0.0)
    assert not queue.has_room


# -- coming and going ----------------------------------------------------------------------------------------------


def test_a_worker_that_leaves_gives_back_what_it_held() -> None:
    queue = busy("a", "b")

    assert queue.leave("a") == parts(0)
    assert queue.n_workers == 1


def test_a_worker_that_left_gets_nothing() -> None:
    queue = WorkQueue()
    queue.join("w")
    queue.leave("w")
    queue.add(parts(0))

    assert queue.take(0.0) is None


def test_an_unknown_worker_leaves_nothing_behind() -> None:
    assert WorkQueue().leave("nobody") == []


def test_a_part_of_a_worker_that_left_no_longer_counts() -> None:
    queue = busy("w")
    queue.leave("w")

    assert not queue.finish(Part(0), 1.0)


# -- who holds what ------------------------------------------------------------------------------------------------


def test_the_holder_of_a_part_is_known() -> None:
    queue = busy("a", "b")

    assert queue.holder(Part(1)) == "b"
    assert queue.holder(Part(7)) is None


def test_another_attempt_is_another_part() -> None:
    queue = busy("w")

    assert queue.holder(Part(0, 0, 2)) is None
    assert not queue.finish(Part(0, 0, 2), 1.0)


def test_a_part_finishes_once() -> None:
    queue = busy("w")

    assert queue.finish(Part(0), 1.0)
    assert not queue.finish(Part(0), 1.0)


def test_a_lent_part_is_held_by_nobody_in_here() -> None:
    queue = WorkQueue()
    queue.lend(Part(0))

    assert queue.holder(Part(0)) == ""
    assert queue.finish(Part(0), 1.0)


def test_dropping_a_trial_forgets_its_waiting_splits_and_names_the_held() -> None:
    queue = WorkQueue()
    queue.join("a")
    queue.add([Part(0, split) for split in range(3)])
    queue.add(parts(1))
    queue.take(0.0)

    assert queue.drop(0, 3) == [("a", Part(0, 0))]
    queue.finish(Part(0, 0), 1.0)
    assert queue.take(1.0) == ("a", Part(1))


# -- time ----------------------------------------------------------------------------------------------------------


def test_without_a_limit_nothing_is_ever_overdue() -> None:
    queue = busy("w")

    assert queue.next_deadline is None
    assert queue.overdue(1e12) == []


def test_a_part_is_overdue_when_its_time_is_over() -> None:
    queue = busy("w", timeout_s=10.0)

    assert queue.next_deadline == 10.0
    assert queue.overdue(9.9) == []
    assert queue.overdue(10.0) == [("w", Part(0))]


def test_a_part_is_overdue_once() -> None:
    queue = busy("w", timeout_s=10.0)
    queue.overdue(10.0)

    assert queue.overdue(20.0) == []


def test_a_finished_part_is_not_overdue() -> None:
    queue = busy("w", timeout_s=10.0)
    queue.finish(Part(0), 5.0)

    assert queue.overdue(10.0) == []


def test_the_time_of_a_part_begins_when_it_is_the_workers_first() -> None:
    queue = WorkQueue(1.0, ahead=True)
    queue.join("w")
    queue.add(parts(99))
    queue.take(0.0)
    queue.finish(Part(99), 0.001)
    queue.add(parts(0, 1))
    queue.take(1.0)
    queue.take(1.0)
    queue.finish(Part(0), 1.9)

    assert queue.overdue(2.5) == []
    assert queue.overdue(2.9) == [("w", Part(1))]


# -- work ahead ----------------------------------------------------------------------------------------------------


def test_a_worker_is_given_more_when_parts_are_quick() -> None:
    queue = quick()
    queue.add(parts(*range(10)))

    taken = [queue.take(1.0) for _ in range(10)]

    assert [t is not None for t in taken] == [True] * 5 + [False] * 5


def test_a_free_worker_comes_before_one_with_room() -> None:
    queue = quick()
    queue.add(parts(0, 1))
    queue.take(1.0)
    queue.join("free")

    assert queue.take(1.0) == ("free", Part(1))


def test_a_second_attempt_is_made_alone() -> None:
    """It may have killed its worker, so nothing else should wait behind it or before it."""
    queue = quick()
    queue.add(parts(0))
    queue.take(1.0)
    queue.put_back(Part(1, 0, 2))
    assert queue.take(1.0) is None

    queue.finish(Part(0), 1.001)
    assert queue.take(1.001) == ("w", Part(1, 0, 2))
    queue.add(parts(2))
    assert queue.take(1.001) is None


def test_a_worker_gives_back_what_it_held_in_order() -> None:
    queue = quick()
    queue.add(parts(0, 1, 2))
    for _ in range(3):
        queue.take(1.0)

    assert queue.leave("w") == parts(0, 1, 2)


def test_a_part_may_end_before_those_given_earlier() -> None:
    queue = quick()
    queue.add(parts(0, 1))
    queue.take(1.0)
    queue.take(1.0)

    assert queue.finish(Part(1), 1.5)
    assert queue.leave("w") == parts(0)


def test_slow_parts_are_given_one_by_one_again() -> None:
    queue = quick()
    queue.add(parts(0))
    queue.take(1.0)
    queue.finish(Part(0), 2.0)
    queue.add(parts(1, 2))
    queue.take(2.0)

    assert queue.take(2.0) is None


def a_loaded_worker(n: int) -> WorkQueue:
    """A queue whose worker ``a`` holds the parts of trials 1 to n, having shown that it needs no time for one."""
    queue = WorkQueue(ahead=True)
    queue.join("a")
    queue.add([Part(0)])
    queue.take(0.0)
    queue.finish(Part(0), 0.0, seconds=1e-4)
    queue.add(Part(i) for i in range(1, n + 1))
    assert [queue.take(0.0) for _ in range(n)] == [("a", Part(i)) for i in range(1, n + 1)]
    return queue


def test_parts_given_ahead_are_called_back_once_when_somebody_is_idle() -> None:
    queue = a_loaded_worker(3)
    assert queue.call_back() is None

    queue.join("b")

    assert queue.call_back() == "a"
    assert queue.call_back() is None


def test_nothing_is_called_back_while_something_waits() -> None:
    queue = a_loaded_worker(3)
    queue.join("b")

    queue.add([Part(9)])

    assert queue.call_back() is None


def test_a_part_that_was_given_back_goes_to_who_is_idle() -> None:
    queue = a_loaded_worker(3)
    queue.join("b")
    queue.call_back()

    queue.give_back(Part(3), waits=True)

    assert queue.take(1.0) == ("b", Part(3))
    assert queue.leave("a") == [Part(1), Part(2)]


def test_a_part_that_was_given_back_and_is_of_no_use_any_more_does_not_wait() -> None:
    queue = a_loaded_worker(3)
    queue.join("b")

    queue.give_back(Part(3), waits=False)

    assert queue.take(1.0) is None
    assert queue.holder(Part(3)) is None
