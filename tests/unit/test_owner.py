import os
import socket
import subprocess
import sys
import time

import msgspec
from msgspec.structs import replace

from manyhands.stores.owner import Owner


def a_dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_this_process_is_alive_even_if_not_seen_for_long() -> None:
    assert Owner.this_process().is_alive(seen_at=0.0)


def test_a_process_that_ended_is_dead_even_if_just_seen() -> None:
    owner = replace(Owner.this_process(), pid=a_dead_process())

    assert not owner.is_alive(time.time())


def test_another_process_with_the_same_id_is_not_the_owner() -> None:
    me = Owner.this_process()

    assert not replace(me, born_at=me.born_at + 1).is_alive(time.time())


def test_an_owner_whose_birth_is_unknown_is_judged_by_its_id() -> None:
    assert replace(Owner.this_process(), born_at=0).is_alive(time.time())


def test_an_owner_on_another_machine_lives_while_it_was_seen_lately() -> None:
    owner = replace(Owner.this_process(), host="elsewhere")

    assert owner.is_alive(time.time() - 60)
    assert not owner.is_alive(time.time() - 600)


def test_an_owner_is_described_by_process_and_machine() -> None:
    text = Owner.this_process().describe()

    assert str(os.getpid()) in text
    assert socket.gethostname() in text


def test_an_owner_survives_json() -> None:
    me = Owner.this_process()

    assert msgspec.json.decode(me.to_json(), type=Owner) == me
