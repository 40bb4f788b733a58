"""Functions put together without cloudpickle must be the very functions that cloudpickle makes."""

import json
import subprocess
import sys
from importlib import util
from pathlib import Path
from typing import Any

import pytest

from manyhands.wire.payload import dump, load

HERE = Path(__file__).parent


def load_cases() -> Any:
    spec = util.spec_from_file_location("sent_functions", HERE / "sent_functions.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CASES = load_cases()
NAMES = [*CASES.LIGHT, *CASES.HEAVY]  # in this order, since cloudpickle stays once it was imported


def run(script: str, *args: str) -> str:
    done = subprocess.run([sys.executable, str(HERE / script), *args], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def received(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What new processes find in each payload, by how they read it."""
    folder = str(tmp_path_factory.mktemp("payloads"))
    run("sent_functions.py", folder)
    return {how: json.loads(run("received_functions.py", folder, how, *NAMES)) for how in ("light", "real")}


@pytest.mark.parametrize("name", NAMES)
def test_a_function_is_what_cloudpickle_makes_of_it(name: str, received: dict[str, Any]) -> None:
    light, real = received["light"][name], received["real"][name]

    assert light["outcomes"] == real["outcomes"]
    assert light["looks"] == real["looks"]


@pytest.mark.parametrize("name", CASES.LIGHT)
def test_a_function_needs_no_cloudpickle(name: str, received: dict[str, Any]) -> None:
    assert not received["light"][name]["needs cloudpickle"]


def test_the_comparison_is_one(received: dict[str, Any]) -> None:
    assert received["real"]["plain"]["needs cloudpickle"]
    assert received["light"]["with_class"]["needs cloudpickle"]


def test_functions_of_one_payload_share_their_globals(received: dict[str, Any]) -> None:
    assert received["light"]["shared_globals"]["outcomes"] == ["11", "121", "[11, ['with_globals']]"]


def test_what_cannot_be_read_in_the_light_way_is_read_in_the_real_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cloudpickle to come may call its helpers in another way."""
    monkeypatch.setattr("manyhands.wire.functions._HELPERS", {"_make_function": lambda code: None})
    factor = 3
    function: Any = load(dump(lambda x: factor * x, str(tmp_path / "payload")))

    assert function(2) == 6


def test_an_error_is_told_once(tmp_path: Path) -> None:
    """It is met twice, and the first time is nothing that the user should have to read about."""
    path = tmp_path / "payload"
    dump(json.dumps, str(path))
    path.write_bytes(path.read_bytes().replace(b"dumps", b"DUMPS"))

    with pytest.raises(AttributeError, match="DUMPS") as caught:
        load([str(path)])

    assert caught.value.__context__ is None
