"""How many cores there are, in a file system that the test makes up."""

import os
from pathlib import Path

import pytest

from manyhands.executors.limits import available_cores


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("quota", "n"),
    [
        ("max 100000", 8),
        ("200000 100000", 2),
        ("250000 100000", 3),
        ("1000 100000", 1),
        ("6400000 100000", 8),
        ("0 100000", 1),
        ("", 8),
        ("many 100000", 8),
        ("200000 0", 8),
    ],
)
def test_a_containers_quota_counts(tmp_path: Path, quota: str, n: int) -> None:
    write(tmp_path / "proc/self/cgroup", "0::/\n")
    write(tmp_path / "sys/fs/cgroup/cpu.max", f"{quota}\n")

    assert available_cores(tmp_path) == n


def test_the_quota_of_the_processs_own_group_counts(tmp_path: Path) -> None:
    write(tmp_path / "proc/self/cgroup", "1:name=systemd:/other\n0::/user.slice/job 7.scope\n")
    write(tmp_path / "sys/fs/cgroup/user.slice/job 7.scope/cpu.max", "300000 100000\n")
    write(tmp_path / "sys/fs/cgroup/other/cpu.max", "100000 100000\n")

    assert available_cores(tmp_path) == 3


def test_the_tightest_quota_of_all_groups_above_counts(tmp_path: Path) -> None:
    write(tmp_path / "proc/self/cgroup", "0::/outer/inner\n")
    write(tmp_path / "sys/fs/cgroup/outer/inner/cpu.max", "max 100000\n")
    write(tmp_path / "sys/fs/cgroup/outer/cpu.max", "200000 100000\n")
    write(tmp_path / "sys/fs/cgroup/cpu.max", "500000 100000\n")

    assert available_cores(tmp_path) == 2


def test_the_top_groups_quota_counts_if_the_own_group_is_not_to_be_seen(tmp_path: Path) -> None:
    """So it is in containers that share the machine's names of groups."""
    write(tmp_path / "proc/self/cgroup", "0::/docker/abc\n")
    write(tmp_path / "sys/fs/cgroup/cpu.max", "200000 100000\n")

    assert available_cores(tmp_path) == 2


def test_all_cores_count_where_there_are_no_control_groups(tmp_path: Path) -> None:
    assert available_cores(tmp_path) == 8


def test_the_cores_of_the_machine_count_where_nothing_can_be_bound_to_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)

    assert available_cores(tmp_path) == 5
