from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manyhands.wire.payload import dump, load

MIB = 1 << 20


def there_and_back(obj: object, folder: Path) -> Any:
    return load(dump(obj, str(folder / "payload")))


def places(path: Path) -> list[list[int]]:
    """File, offset and length of every large buffer of a payload."""
    (n_buffers,) = np.fromfile(path, "<u8", offset=8, count=1).tolist()
    return np.fromfile(path, "<u8", offset=16, count=3 * n_buffers).reshape(-1, 3).tolist()


def test_plain_objects_come_back(tmp_path: Path) -> None:
    obj = {"a": [1, None, "é"], "b": (2.5, {3})}

    assert there_and_back(obj, tmp_path) == obj


def test_functions_come_back_with_what_they_refer_to(tmp_path: Path) -> None:
    factor = 3

    function = there_and_back(lambda x: factor * x, tmp_path)

    assert function(2) == 6


@pytest.mark.parametrize("n_bytes", [8, MIB - 8, MIB, MIB + 8, 3 * MIB])
def test_arrays_of_any_size_come_back(n_bytes: int, tmp_path: Path) -> None:
    array = np.arange(n_bytes // 8, dtype=np.int64)

    assert np.array_equal(there_and_back(array, tmp_path), array)


@pytest.mark.parametrize(
    "array",
    [
        np.asfortranarray(np.arange(2 * MIB // 8, dtype=float).reshape(-1, 4)),
        np.arange(4 * MIB // 8)[::2],
        np.zeros((0, 5)),
        np.full(2 * MIB, True),
    ],
    ids=["columns first", "with gaps", "empty", "bool"],
)
def test_arrays_of_any_layout_come_back(array: np.ndarray, tmp_path: Path) -> None:
    found = there_and_back(array, tmp_path)

    assert np.array_equal(found, array)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)


def test_large_arrays_are_outside_the_pickle_and_small_ones_inside(tmp_path: Path) -> None:
    path = tmp_path / "payload"

    dump([np.zeros(MIB // 8), np.zeros(MIB // 8 - 1), np.zeros(2 * MIB // 8)], str(path))

    assert [length for _, _, length in places(path)] == [MIB, 2 * MIB]


def test_every_buffer_is_aligned(tmp_path: Path) -> None:
    path = tmp_path / "payload"

    dump([np.zeros(MIB + 1 + i, dtype=np.int8) for i in range(5)], str(path))

    assert [offset % 64 for _, offset, _ in places(path)] == [0] * 5


def test_the_largest_buffers_have_files_of_their_own_and_the_others_share_one(tmp_path: Path) -> None:
    sizes = [MIB, 32 * MIB, 2 * MIB, 40 * MIB, 3 * MIB]
    path = tmp_path / "payload"

    paths = dump([np.zeros(size, dtype=np.int8) for size in sizes], str(path))

    assert [file for file, _, _ in places(path)] == [1, 2, 1, 3, 1]
    assert [Path(p).stat().st_size for p in paths[1:]] == [6 * MIB, 32 * MIB, 40 * MIB]


def test_the_same_data_is_the_same_file_whatever_the_objective(tmp_path: Path) -> None:
    data = np.arange(32 * MIB, dtype=np.int8)

    *_, one = dump(lambda x: x + data[0], str(tmp_path / "one"))
    *_, other = dump({"small": np.ones(MIB), "data": data}, str(tmp_path / "other"))

    assert Path(one).read_bytes() == Path(other).read_bytes()


def test_arrays_in_memory_are_aligned(tmp_path: Path) -> None:
    arrays = there_and_back([np.zeros(MIB + 1 + i, dtype=np.int8) for i in range(3)], tmp_path)

    assert [array.ctypes.data % 64 for array in arrays] == [0, 0, 0]


def test_large_arrays_are_read_only_and_small_ones_are_not(tmp_path: Path) -> None:
    large, small = there_and_back((np.zeros(MIB), np.zeros(8)), tmp_path)

    assert not large.flags.writeable
    small[0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        large[0] = 1.0


def test_several_objects_keep_what_they_share(tmp_path: Path) -> None:
    array = np.arange(MIB)

    found = there_and_back({"a": array, "b": [array], "c": np.ones(MIB)}, tmp_path)

    assert found["a"] is found["b"][0]
    assert np.array_equal(found["c"], np.ones(MIB))


def test_all_who_load_a_payload_see_one_file(tmp_path: Path) -> None:
    """Arrays are a view of the file itself: what is in it is in them, without having been copied."""
    paths = dump(np.zeros(MIB), str(tmp_path / "payload"))
    first, second = load(paths), load(paths)

    with Path(paths[1]).open("r+b") as file:
        file.write(np.float64(7.0).tobytes())

    assert (first[0], second[0]) == (7.0, 7.0)


def test_a_file_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "payload"
    path.write_bytes(b"somebody else's")

    with pytest.raises(FileExistsError):
        dump(1, str(path))


def test_only_its_user_may_read_a_payload(tmp_path: Path) -> None:
    paths = dump(np.zeros(MIB), str(tmp_path / "payload"))

    assert [Path(path).stat().st_mode & 0o777 for path in paths] == [0o600, 0o600]


def test_another_file_is_no_payload(tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(b"x" * 100)

    with pytest.raises(ValueError, match="no payload"):
        load([str(path)])
