"""What every executor must do, done by one worker on the cluster."""

import pytest

import manyhands as mh
from manyhands.ports import Executor
from manyhands.testing.executors import ExecutorContract


class TestSpark(ExecutorContract):
    @pytest.fixture(autouse=True)
    def on_the_cluster(self, spark):
        self.spark = spark

    def make(self) -> Executor:
        return mh.Spark(self.spark, workers=1)
