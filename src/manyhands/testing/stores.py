"""What every store must do."""

from collections.abc import Iterator

from msgspec.structs import replace

from manyhands.errors import StudyMismatchError
from manyhands.events import SaveReports, SaveSplit, SaveTrial
from manyhands.parameters import Choice, Float, Int
from manyhands.ports import History, Moment, Store, StudySpec
from manyhands.space import Space
from manyhands.trial import Part, Report, Result, Trial, TrialState

SPACE = Space({"rate": Float(0, 1), "model": Choice(["svm", {"depth": Int(1, 9)}]), "fixed": ("tuple", [1, None])})
SPEC = StudySpec("a study", SPACE.spec(), metric="score", n_splits=3, seed=11, sampler="random", created_at=1.5)

SEVERAL = replace(SPEC, direction=("minimize", "maximize"), metric=("error", "speed"))


def a_trial(trial_id: int, **changes: object) -> Trial:
    """A running trial."""
    point = {"rate": 0.1 + 0.2, "model": trial_id % 2}
    if trial_id % 2:
        point["model.1.depth"] = 3
    return replace(Trial(trial_id, point, SPACE.build(point), started_at=1e9 + 1 / 3), **changes)


def a_full_trial(trial_id: int = 0) -> Trial:
    """A trial of one objective in which no field has its default."""
    return a_trial(
        trial_id,
        state=TrialState.FAILED,
        value=-1 / 3,
        variance=1e-300,
        metrics={"f1": 0.5, "none": None, "nested": {"ß": [1, 2.5, "é", True, {"deep": []}]}, "": "empty key"},
        split_values=(0.1, -0.2, 0.1 + 0.2),
        reason="it raised ValueError: naïve 日本語 😀",
        traceback='Traceback:\n  File "x.py", line 1\n\tnul: \x00, quote: \' " ; DROP TABLE trials; --\n',
        lost=("killed by SIGKILL.\nlast line", ""),
        ended_at=1e9 + 2 / 3,
        worker="w1",
        order=4,
        constraints=(-1e-300, 1 / 3),
        parent=0,
        paused_s=0.1 + 0.2,
    )


def a_trial_of_several_objectives(trial_id: int = 0) -> Trial:
    """A trial that belongs to ``SEVERAL``."""
    return a_trial(
        trial_id,
        state=TrialState.FINISHED,
        values=(0.1 + 0.2, -1e300),
        split_values=((0.1, -2e300), (0.5, 0.0)),
        constraints=(0.0,),
        ended_at=2e9,
        order=0,
    )


class StoreContract:
    """Tests that any store passes; override ``make``, and ``again`` if a store object is good for one use only."""

    def make(self) -> Store:
        """Return a store that is empty and not open."""
        raise NotImplementedError

    def again(self, store: Store) -> Store:
        """Return a store for the same place as ``store``, which was closed."""
        return store

    # -- opening -----------------------------------------------------------------------------------------------

    def test_opening_creates_the_study(self) -> None:
        store = self.make()

        history = store.open(SPEC, resume=True)
        store.close()

        assert history == History(SPEC, [], {}, "")

    def test_a_new_study_may_be_asked_for(self) -> None:
        store = self.make()

        history = store.open(SPEC, resume=False)
        store.close()

        assert history.trials == []

    def test_a_seed_left_open_becomes_0(self) -> None:
        store = self.make()

        history = store.open(replace(SPEC, seed=-1), resume=True)
        store.close()

        assert history.spec.seed == 0

    def test_a_seed_left_open_later_is_the_stored_one(self) -> None:
        history = self._written([], spec=replace(SPEC, seed=-1))

        assert history.spec.seed == 11

    def test_another_sampler_may_go_on(self) -> None:
        history = self._written([], spec=replace(SPEC, sampler="tpe"))

        assert history.trials == []

    def test_the_time_of_creation_stays(self) -> None:
        history = self._written([], spec=replace(SPEC, created_at=99.0))

        assert history.spec.created_at == 1.5

    def test_what_the_study_was_made_with_stays(self) -> None:
        made = replace(SPEC, fingerprint={"data": "3f"})

        history = self._written([], first=made, spec=replace(SPEC, fingerprint={"more": "77"}))

        assert history.spec.fingerprint == {"data": "3f", "more": "77"}

    def test_other_data_are_refused(self) -> None:
        store = self.make()
        store.open(replace(SPEC, fingerprint={"data": "3f"}), resume=True)
        store.write([SaveTrial(a_full_trial())])
        store.close()

        assert "data" in _refused(self.again(store), replace(SPEC, fingerprint={"data": "00"}), resume=True)

    # -- what was written comes back ---------------------------------------------------------------------------

    def test_every_field_of_a_trial_comes_back(self) -> None:
        trial = a_full_trial()

        history = self._written([SaveTrial(trial)])

        assert history.trials == [trial]

    def test_the_values_of_several_objectives_come_back(self) -> None:
        trial = a_trial_of_several_objectives()

        history = self._written([SaveTrial(trial)], first=SEVERAL, spec=SEVERAL)

        assert history.trials == [trial]

    def test_a_running_trial_comes_back(self) -> None:
        trial = a_trial(0)

        history = self._written([SaveTrial(trial)])

        assert history.trials == [trial]

    def test_a_paused_fork_comes_back(self) -> None:
        trial = a_trial(0, state=TrialState.PAUSED, value=0.5, reason="poor", ended_at=2e9, parent=3, paused_s=1 / 3)

        history = self._written([SaveTrial(trial)])

        assert history.trials == [trial]

    def test_an_interrupted_trial_comes_back(self) -> None:
        trial = a_trial(0, state=TrialState.INTERRUPTED, value=0.5, reason="Ctrl-C", ended_at=2e9)

        history = self._written([SaveTrial(trial)])

        assert history.trials == [trial]

    def test_whole_numbers_stay_whole_and_real_ones_real(self) -> None:
        trial = a_trial(1, metrics={"whole": 3, "real": 3.0})

        stored = self._written([SaveTrial(a_trial(0)), SaveTrial(trial)]).trials[1]

        assert [type(v) for v in stored.point.values()] == [type(v) for v in trial.point.values()]
        assert [type(v) for v in stored.metrics.values()] == [int, float]

    def test_params_keep_their_containers(self) -> None:
        stored = self._written([SaveTrial(a_trial(0)), SaveTrial(a_trial(1))]).trials[1]

        assert stored.params == {"rate": 0.1 + 0.2, "model": {"depth": 3}, "fixed": ("tuple", [1, None])}

    def test_a_trial_written_again_replaces_the_first(self) -> None:
        first, second = a_trial(0), a_full_trial(0)

        history = self._written([SaveTrial(first)], [SaveTrial(second)])

        assert history.trials == [second]

    def test_the_last_of_a_trial_in_one_write_counts(self) -> None:
        first, second = a_trial(0), a_full_trial(0)

        history = self._written([SaveTrial(first), SaveTrial(second)])

        assert history.trials == [second]

    def test_trials_come_back_by_id(self) -> None:
        trials = [a_trial(i) for i in (2, 0, 3, 1)]

        history = self._written([SaveTrial(trial) for trial in trials])

        assert [trial.id for trial in history.trials] == [0, 1, 2, 3]

    def test_the_order_of_outcomes_is_kept(self) -> None:
        trials = [a_trial(i, state=TrialState.FINISHED, value=1.0, order=3 - i) for i in range(4)]

        history = self._written([SaveTrial(trial) for trial in trials])

        assert [trial.order for trial in history.trials] == [3, 2, 1, 0]

    def test_splits_of_an_unfinished_trial_come_back(self) -> None:
        result = Result(0.1 + 0.2, None, {"n": [1, {"é": None}]})

        history = self._written([SaveTrial(a_trial(0)), SaveSplit(0, 2, result)])

        assert history.splits == {(0, 2): result}

    def test_splits_with_several_values_and_constraints_come_back(self) -> None:
        result = Result(None, None, {}, (0.1 + 0.2, 1.0), (-1 / 3,))

        history = self._written([SaveTrial(a_trial(0)), SaveSplit(0, 2, result)], first=SEVERAL, spec=SEVERAL)

        assert history.splits == {(0, 2): result}

    def test_splits_of_an_ended_trial_do_not(self) -> None:
        """The trial has them already; whoever resumes must not carry them along."""
        ended = a_trial(0, state=TrialState.FINISHED, value=1.0)

        history = self._written([SaveTrial(a_trial(0)), SaveSplit(0, 2, Result(1.0))], [SaveTrial(ended)])

        assert history.splits == {}

    # -- the order in which the search learned ------------------------------------------------------------------

    def test_each_time_that_a_trial_is_written_is_kept_with_the_reports_before_it(self) -> None:
        report, ended = Report(0, 0.5), a_trial(0, state=TrialState.FINISHED, value=1.0)

        history = self._written(
            [SaveTrial(a_trial(0)), SaveReports(Part(0), [report, report]), SaveTrial(a_trial(1)), SaveTrial(ended)],
            [SaveReports(Part(1), [report]), SaveTrial(a_trial(1, state=TrialState.PAUSED, ended_at=2e9))],
            [SaveTrial(a_trial(1))],
        )

        assert history.moments == [
            Moment(0, TrialState.RUNNING, 0),
            Moment(1, TrialState.RUNNING, 2),
            Moment(0, TrialState.FINISHED, 2),
            Moment(1, TrialState.PAUSED, 3),
            Moment(1, TrialState.RUNNING, 3),
        ]

    def test_reports_are_counted_on_in_a_later_run(self) -> None:
        store = self.make()
        for trial_id in (0, 1):
            store.open(SPEC, resume=True)
            store.write([SaveReports(Part(trial_id), [Report(0, 0.5)]), SaveTrial(a_trial(trial_id))])
            store.close()
            store = self.again(store)
        history = store.open(SPEC, resume=True)
        store.close()

        assert history.moments == [Moment(0, TrialState.RUNNING, 1), Moment(1, TrialState.RUNNING, 2)]

    def test_the_moments_of_a_study_that_is_begun_anew_are_forgotten(self) -> None:
        report = SaveReports(Part(0), [Report(0, 0.5)])

        history = self._written([report, SaveTrial(a_trial(0))], spec=replace(SPEC, direction="maximize"))

        assert history.moments == []

    # -- reports -----------------------------------------------------------------------------------------------

    def test_a_new_study_has_no_reports(self) -> None:
        store = self.make()
        store.open(SPEC, resume=True)

        reports = list(store.reports())
        store.close()

        assert reports == []

    def test_every_field_of_a_report_comes_back(self) -> None:
        part, reports = Part(1, 2, 3), [Report(7, 0.1 + 0.2, {"lr": 0.1, "ß": [1, None]}, 1e9 + 1 / 3), Report(8, None)]

        found = self._reported([SaveReports(part, reports)])

        assert found == [(part, report) for report in reports]

    def test_reports_are_in_the_order_of_arrival(self) -> None:
        found = self._reported(
            [SaveReports(Part(1), [Report(5, 1.0), Report(4, 2.0)]), SaveReports(Part(0), [Report(0, 3.0)])],
            [SaveReports(Part(1, 0, 2), [Report(0, 4.0)])],
        )

        assert [report.value for _, report in found] == [1.0, 2.0, 3.0, 4.0]

    def test_a_report_that_comes_twice_is_kept_twice(self) -> None:
        report = Report(0, 0.5)

        found = self._reported([SaveReports(Part(0), [report])], [SaveReports(Part(0), [report])])

        assert found == [(Part(0), report)] * 2

    def test_reports_stay_when_their_trial_ends(self) -> None:
        ended = a_trial(0, state=TrialState.FINISHED, value=1.0)

        found = self._reported([SaveTrial(a_trial(0)), SaveReports(Part(0), [Report(0, 0.5)])], [SaveTrial(ended)])

        assert found == [(Part(0), Report(0, 0.5))]

    def test_reports_can_be_read_while_the_search_runs(self) -> None:
        store = self.make()
        store.open(SPEC, resume=True)

        store.write([SaveReports(Part(0), [Report(0, 0.5)])])
        found = list(store.reports())
        store.close()

        assert found == [(Part(0), Report(0, 0.5))]

    def test_reports_of_a_study_that_is_begun_anew_are_forgotten(self) -> None:
        found = self._reported([SaveReports(Part(0), [Report(0, 0.5)])], spec=replace(SPEC, direction="maximize"))

        assert found == []

    # -- logs --------------------------------------------------------------------------------------------------

    def test_a_log_is_whole(self) -> None:
        store = self.make()
        store.open(SPEC, resume=True)
        text = "line\nünïcode 😀\x00\r\n" + "x" * 300_000

        store.write([SaveTrial(a_trial(0))], [(Part(0), text), (Part(0), "end")])
        log = store.log(0)
        store.close()

        assert log == text + "end"

    def test_a_log_is_in_the_order_of_splits_then_attempts_then_arrival(self) -> None:
        store = self.make()
        store.open(SPEC, resume=True)

        store.write([], [(Part(0, 1, 1), "c"), (Part(0, 0, 2), "b1 "), (Part(1), "of another trial")])
        store.write([], [(Part(0, 0, 1), "a "), (Part(0, 0, 2), "b2 ")])
        log = store.log(0)
        store.close()

        assert log == "a b1 b2 c"

    def test_a_trial_that_printed_nothing_has_an_empty_log(self) -> None:
        store = self.make()
        store.open(SPEC, resume=True)

        log = store.log(5)
        store.close()

        assert log == ""

    def test_logs_survive(self) -> None:
        store = self.make()
        store.open(SPEC, resume=True)
        store.write([], [(Part(0), "before")])
        store.close()

        store = self.again(store)
        store.open(SPEC, resume=True)
        store.write([], [(Part(0, 0, 2), " and after")])
        log = store.log(0)
        store.close()

        assert log == "before and after"

    # -- the end -----------------------------------------------------------------------------------------------

    def test_the_reason_of_the_end_comes_back(self) -> None:
        store = self.make()
        store.open(SPEC, resume=True)
        store.end("all is done: ü")
        store.close()

        store = self.again(store)
        history = store.open(SPEC, resume=True)
        store.close()

        assert history.end_reason == "all is done: ü"

    def test_a_run_that_was_cut_off_has_no_reason(self) -> None:
        history = self._written([SaveTrial(a_trial(0))])

        assert history.end_reason == ""

    def test_a_reason_counts_for_its_own_run_only(self) -> None:
        store = self.make()
        store.open(SPEC, resume=True)
        store.end("the first run was over")
        store.close()
        store = self.again(store)
        store.open(SPEC, resume=True)
        store.close()

        store = self.again(store)
        history = store.open(SPEC, resume=True)
        store.close()

        assert history.end_reason == ""

    def test_closing_twice_is_harmless(self) -> None:
        store = self.make()
        store.open(SPEC, resume=True)

        store.close()
        store.close()

    def test_a_beat_changes_nothing(self) -> None:
        store = self.make()
        store.open(SPEC, resume=True)
        store.write([SaveTrial(a_full_trial())])

        store.beat()
        store.close()

        store = self.again(store)
        assert store.open(SPEC, resume=True).trials == [a_full_trial()]
        store.close()

    # -- refusals ----------------------------------------------------------------------------------------------

    def test_another_space_is_refused_and_the_place_named(self) -> None:
        other = Space({"rate": Float(0, 2), "model": Choice(["svm", {"depth": Int(1, 9)}]), "fixed": 1})

        message = self._refusal(replace(SPEC, space=other.spec()))

        assert "space" in message
        assert "name=" in message

    def test_another_direction_is_refused(self) -> None:
        message = self._refusal(replace(SPEC, direction="maximize"))

        assert "'minimize'" in message
        assert "'maximize'" in message

    def test_other_objectives_are_refused(self) -> None:
        assert "'maximize'" in self._refusal(SEVERAL)

    def test_another_order_of_objectives_is_refused(self) -> None:
        store = self._with_an_outcome(SEVERAL, a_trial_of_several_objectives())

        message = _refused(store, replace(SEVERAL, direction=("maximize", "minimize")), resume=True)

        assert "another direction" in message

    def test_another_metric_is_refused(self) -> None:
        assert "'score'" in self._refusal(replace(SPEC, metric=None))

    def test_another_number_of_splits_is_refused(self) -> None:
        assert "n_splits" in self._refusal(replace(SPEC, n_splits=5))

    def test_another_seed_is_refused(self) -> None:
        assert "11" in self._refusal(replace(SPEC, seed=12))

    def test_going_on_is_refused_if_nobody_wants_to(self) -> None:
        assert "resume" in self._refusal(SPEC, resume=False)

    def test_a_refused_study_is_left_as_it_was(self) -> None:
        store = self._with_an_outcome()
        _refused(store, replace(SPEC, direction="maximize"), resume=True)

        store = self.again(store)
        history = store.open(SPEC, resume=True)
        store.close()

        assert history.trials == [a_full_trial()]

    # -- all or nothing ----------------------------------------------------------------------------------------

    def test_a_write_that_fails_keeps_nothing(self) -> None:
        store = self.make()
        store.open(SPEC, resume=True)
        store.write([SaveTrial(a_trial(0))])
        try:
            store.write([SaveTrial(a_full_trial(0)), SaveTrial(a_trial(1))], _breaking_logs())
        except _BreakError:
            pass
        else:
            raise AssertionError("what the logs raised was swallowed")
        store.close()

        store = self.again(store)
        history = store.open(SPEC, resume=True)
        log = store.log(0)
        store.close()

        assert history.trials == [a_trial(0)]
        assert log == ""

    def test_writing_goes_on_after_a_write_that_failed(self) -> None:
        store = self.make()
        store.open(SPEC, resume=True)
        try:
            store.write([SaveTrial(a_trial(0))], _breaking_logs())
        except _BreakError:
            store.write([SaveTrial(a_full_trial(0))])
        store.close()

        store = self.again(store)
        history = store.open(SPEC, resume=True)
        store.close()

        assert history.trials == [a_full_trial(0)]

    # -- inside ------------------------------------------------------------------------------------------------

    def _written(
        self, *writes: list[SaveTrial | SaveSplit | SaveReports], first: StudySpec = SPEC, spec: StudySpec = SPEC
    ) -> History:
        """What a later run, of ``spec``, finds of these writes of the first one."""
        store = self.make()
        store.open(first, resume=True)
        for saves in writes:
            store.write(saves)
        store.close()
        store = self.again(store)
        history = store.open(spec, resume=True)
        store.close()
        return history

    def _reported(self, *writes: list[SaveTrial | SaveReports], spec: StudySpec = SPEC) -> list[tuple[Part, Report]]:
        """The reports that a later run finds of these writes."""
        store = self.make()
        store.open(SPEC, resume=True)
        for saves in writes:
            store.write(saves)
        store.close()
        store = self.again(store)
        store.open(spec, resume=True)
        found = list(store.reports())
        store.close()
        return found

    def _with_an_outcome(self, spec: StudySpec = SPEC, trial: Trial | None = None) -> Store:
        store = self.make()
        store.open(spec, resume=True)
        store.write([SaveTrial(trial or a_full_trial())])
        store.end("done")
        store.close()
        return self.again(store)

    def _refusal(self, spec: StudySpec, *, resume: bool = True) -> str:
        return _refused(self._with_an_outcome(), spec, resume=resume)


def _refused(store: Store, spec: StudySpec, *, resume: bool) -> str:
    try:
        store.open(spec, resume=resume)
    except StudyMismatchError as error:
        return str(error)
    finally:
        store.close()
    raise AssertionError("a study that differs was opened")


class _BreakError(Exception):
    pass


def _breaking_logs() -> Iterator[tuple[Part, str]]:
    yield Part(0), "half of it"
    raise _BreakError
