from manyhands.executors.inline import Inline
from manyhands.executors.processes import Processes
from manyhands.ports import Executor
from manyhands.testing.executors import ExecutorContract


class TestProcesses(ExecutorContract):
    def make(self) -> Executor:
        return Processes(1)


class TestInline(ExecutorContract):
    can_kill = False
    on_this_machine = False

    def make(self) -> Executor:
        return Inline()
