from pathlib import Path

import pytest

from manyhands.ports import Store
from manyhands.stores.memory import MemoryStore
from manyhands.stores.sqlite import SqliteStore
from manyhands.testing.stores import StoreContract


class TestMemoryStore(StoreContract):
    def make(self) -> Store:
        return MemoryStore()


class TestSqliteStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _path(self, tmp_path: Path) -> None:
        self.path = tmp_path / "store.db"

    def make(self) -> Store:
        return SqliteStore(self.path)

    def again(self, store: Store) -> Store:
        return SqliteStore(self.path)
