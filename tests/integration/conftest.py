"""What these tests share: small searches, scripts in processes of their own, and a look at what is left behind."""

import os
import shutil
import tempfile
import uuid
from pathlib import Path

import psutil
import pytest
from tests import support

import manyhands as mh
from manyhands.executors import reserve

_MARK = "MANYHANDS_TEST_MARK"


@pytest.fixture
def wait_until():
    return support.wait_until


@pytest.fixture
def temp_folder(tmp_path_factory):
    """Where Manyhands keeps its temporary folders during this test; with a short name, as sockets are in there, too."""
    tmp_path_factory.getbasetemp()  # is made once, and must not be made in here
    with tempfile.TemporaryDirectory(prefix="mh-test-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def left_over(temp_folder):
    """Tells which processes and temporary folders of this test there are now."""
    return lambda: [*support.marked(_MARK, os.environ[_MARK]), *temp_folder.glob("manyhands-*")]


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch, temp_folder):
    """Whatever a test does: afterwards no process and no temporary folder of it is left, but what waits for others."""
    mark = uuid.uuid4().hex
    monkeypatch.setenv(_MARK, mark)
    monkeypatch.setenv("TMPDIR", str(temp_folder))
    monkeypatch.setattr(tempfile, "tempdir", str(temp_folder))
    yield
    reserve.shutdown()
    try:
        support.wait_until(lambda: not support.marked(_MARK, mark), "all processes are gone", 5)
        support.wait_until(lambda: not [*temp_folder.glob("manyhands-*")], "all temporary folders are gone", 5)
    finally:
        for process in support.marked(_MARK, mark):
            process.kill()


@pytest.fixture
def folders_may_stay(nothing_is_left, temp_folder):
    """For tests that kill drivers within half a second: their temporary folders have nobody to remove them."""
    yield
    for folder in temp_folder.glob("manyhands-*"):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def lives():
    """Tells whether there is a process of this id that is more than a zombie."""

    def call(pid):
        try:
            return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return call


@pytest.fixture
def tune():
    """``mh.tune`` with a small space, a seed and two workers, unless told otherwise."""

    def call(objective, **settings):
        defaults = {"space": {"x": mh.Float(0, 1)}, "seed": 1, "progress": False}
        if "executor" not in settings:
            defaults["workers"] = 2
        return mh.tune(objective, **(defaults | settings))

    return call


@pytest.fixture
def start_script(tmp_path, nothing_is_left):
    """Starts scripts, and kills those that are left when the test is over."""
    scripts = support.Scripts(tmp_path)
    yield scripts.start
    scripts.kill()
