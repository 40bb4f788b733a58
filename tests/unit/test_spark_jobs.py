"""Whether somebody else's Spark job waits for the cores that idle workers hold, from what a tracker tells."""

from types import SimpleNamespace

from manyhands.executors.spark.jobs import ClassicJobs, ConnectJobs


class Tracker:
    """Spark's, as a test has it: the active jobs with their stages, each as (tasks, active, completed)."""

    def __init__(self):
        self.jobs = {}
        self.groups = {}
        self.n_asked_for_groups = 0

    def add(self, number, *stages, group=None):
        self.jobs[number] = stages
        if group is not None:
            self.groups.setdefault(group, []).append(number)

    def getActiveJobsIds(self):  # noqa: N802 - Spark's name
        return [*self.jobs]

    def getJobIdsForGroup(self, group):  # noqa: N802
        self.n_asked_for_groups += 1
        return self.groups.get(group, [])

    def getJobInfo(self, number):  # noqa: N802
        return SimpleNamespace(stageIds=[(number, i) for i in range(len(self.jobs[number]))])

    def getStageInfo(self, stage):  # noqa: N802
        number, i = stage
        tasks, active, completed = self.jobs[number][i]
        return SimpleNamespace(numTasks=tasks, numActiveTasks=active, numCompletedTasks=completed)


def jobs_on(tracker):
    session = SimpleNamespace(sparkContext=SimpleNamespace(statusTracker=lambda: tracker))
    return ClassicJobs(session, "run", "manyhands: test")


def test_the_slots_own_jobs_are_no_others_even_if_they_wait():
    tracker = Tracker()
    tracker.add(1, (1, 1, 0), group="manyhands-run-slot-0")
    tracker.add(2, (1, 0, 0), group="manyhands-run-slot-1")

    assert not jobs_on(tracker).others_wait([0, 1])
    assert tracker.n_asked_for_groups == 0, "there may be hundreds"


def test_a_job_of_somebody_else_waits_if_not_all_of_its_tasks_run_or_are_done():
    tracker = Tracker()
    tracker.add(1, (1, 1, 0), group="manyhands-run-slot-0")
    tracker.add(7, (10, 0, 10), (4, 2, 1))

    assert jobs_on(tracker).others_wait([0])


def test_a_job_of_somebody_else_that_has_all_it_needs_does_not_wait():
    tracker = Tracker()
    tracker.add(1, (1, 1, 0), group="manyhands-run-slot-0")
    tracker.add(7, (10, 0, 10), (4, 3, 1))

    assert not jobs_on(tracker).others_wait([0])


def test_another_search_is_somebody_else():
    tracker = Tracker()
    tracker.add(1, (1, 1, 0), group="manyhands-run-slot-0")
    tracker.add(2, (1, 0, 0), group="manyhands-another-slot-0")

    assert jobs_on(tracker).others_wait([0])


def test_spark_connect_does_not_tell():
    assert not ConnectJobs(None, "run").others_wait([0])
