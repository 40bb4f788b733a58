import threading

from manyhands.worker.mailbox import Mailbox


def test_things_come_out_as_they_were_put_in() -> None:
    mailbox = Mailbox()

    for thing in (1, None, "a"):
        mailbox.put(thing)

    assert [mailbox.take() for _ in range(3)] == [1, None, "a"]


def test_nothing_is_lost_between_threads() -> None:
    """Both sides run as fast as they can, so that each of them is at times the one that waits."""
    mailbox = Mailbox()
    n = 20_000
    putter = threading.Thread(target=lambda: [mailbox.put(i) for i in range(n)])

    putter.start()
    taken = [mailbox.take() for _ in range(n)]
    putter.join()

    assert taken == list(range(n))


def test_who_takes_waits_until_there_is_something() -> None:
    mailbox = Mailbox()
    taken: list[object] = []
    taker = threading.Thread(target=lambda: [taken.append(mailbox.take()) for _ in range(3)])
    taker.start()

    for i in range(3):
        taker.join(0.02)
        assert taken == list(range(i))
        mailbox.put(i)
        while len(taken) == i:
            taker.join(0.001)

    taker.join()
