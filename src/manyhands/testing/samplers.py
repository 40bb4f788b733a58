"""What every sampler must do."""

from collections.abc import Mapping

from manyhands.parameters import Choice, Float, Int, Normal
from manyhands.ports import Outcome, Problem, Sampler
from manyhands.space import Point, Space
from manyhands.trial import Trial, TrialState

_SEED = 7


def plain_space() -> Space:
    """One real parameter."""
    return Space({"x": Float(-1, 1)})


def nested_space() -> Space:
    """Containers within containers, and each kind of parameter."""
    return Space(
        {
            "rate": Float(1e-4, 1e-1, log=True),
            "layers": [Int(1, 64, log=True), {"width": Int(8, 128, step=8)}],
            "pair": (Normal(0, 1), Choice(["relu", "tanh"])),
        }
    )


def wide_space() -> Space:
    """Thirty parameters."""
    return Space({f"x{i}": Float(0, 1) for i in range(30)})


def deep_space() -> Space:
    """Choices in options of choices, three levels deep."""
    leaf = Choice([{"kind": "thin", "d": Float(0, 1)}, {"kind": "thick", "e": Int(0, 9)}])
    middle = Choice([{"kind": "left", "c": leaf}, {"kind": "right", "b": Float(1, 2)}])
    return Space({"top": Choice([{"kind": "tree", "a": middle}, {"kind": "bare"}]), "y": Float(0, 1)})


def finite_space() -> Space:
    """Ten points, unevenly spread over the options of a choice."""
    return Space({"kind": Choice(["a", {"n": Int(1, 4)}]), "flag": Choice([False, True])})


class SamplerContract:
    """Tests that any sampler passes; override ``make``.

    Attributes:
        n: How many trials to look at. Fewer if suggesting is slow; more, at best, than the sampler draws at random
            before it begins to learn.
        is_random: Whether the seed makes a difference.
    """

    n = 24
    is_random = True

    def make(self) -> Sampler:
        """Return a new sampler, not yet started."""
        raise NotImplementedError

    # -- what is suggested -------------------------------------------------------------------------------------

    def test_it_says_whether_it_learns(self) -> None:
        sampler = self.make()

        assert isinstance(sampler.learns, bool)

    def test_its_points_lie_in_a_space_of_one_parameter(self) -> None:
        self._check_points(plain_space())

    def test_its_points_lie_in_nested_containers(self) -> None:
        self._check_points(nested_space())

    def test_its_points_lie_in_a_space_of_thirty_parameters(self) -> None:
        self._check_points(wide_space())

    def test_its_points_hold_the_active_parameters_of_a_tree_and_no_others(self) -> None:
        self._check_points(deep_space())

    def test_its_points_lie_in_a_finite_space(self) -> None:
        self._check_points(finite_space())

    # -- randomness --------------------------------------------------------------------------------------------

    def test_the_same_seed_gives_the_same_trials(self) -> None:
        for space in (nested_space(), deep_space(), finite_space()):
            first = self._search(space)
            second = self._search(space)

            assert first == second, "a sampler may draw from its seed only, never from global randomness"

    def test_another_seed_gives_other_trials(self) -> None:
        if not self.is_random:
            return
        first = self._search(nested_space(), seed=1)
        second = self._search(nested_space(), seed=2)

        assert first != second

    def test_a_resumed_search_goes_on_as_if_never_interrupted(self) -> None:
        for space in (nested_space(), deep_space(), finite_space()):
            whole = self._search(space)
            for k in (1, len(whole) // 2):
                sampler = self._started(space)
                for trial_id, point in enumerate(whole[:k]):
                    sampler.observe(*_outcome(space, trial_id, point))

                rest = self._continue(sampler, space, k)

                assert whole[:k] + rest == whole, f"it went another way after {k} trials were replayed"

    # -- finite spaces -----------------------------------------------------------------------------------------

    def test_a_finite_space_is_searched_whole_without_repeats(self) -> None:
        space = finite_space()

        points = self._search(space, n=space.size or 0)

        assert sorted(map(space.index, points)) == list(range(space.size or 0))

    def test_none_is_suggested_once_all_were_tried(self) -> None:
        space = finite_space()
        sampler = self._started(space)
        self._continue(sampler, space, 0, n=space.size or 0)

        assert sampler.suggest(space.size or 0, {}) is None

    def test_pending_configurations_are_not_repeated(self) -> None:
        space = finite_space()
        sampler = self._started(space)
        running: dict[int, Point] = {}
        for trial_id in range(space.size or 0):
            running[trial_id] = _present(sampler.suggest(trial_id, running))

        assert len({space.index(point) for point in running.values()}) == space.size
        assert sampler.suggest(space.size or 0, running) is None

    def test_a_running_point_from_elsewhere_is_not_repeated(self) -> None:
        """A trial that the user started with was never suggested."""
        space = finite_space()
        sampler = self._started(space)
        running = {0: space.nth(3)}
        for trial_id in range(1, space.size or 0):
            running[trial_id] = _present(sampler.suggest(trial_id, running))

        assert sorted(map(space.index, running.values())) == list(range(space.size or 0))
        assert sampler.suggest(space.size or 0, running) is None

    def test_an_observed_point_from_elsewhere_is_not_repeated(self) -> None:
        space = finite_space()
        sampler = self._started(space)
        sampler.observe(*_outcome(space, 0, space.nth(3)))

        points = self._continue(sampler, space, 1, n=space.size or 0)

        assert 3 not in map(space.index, points)
        assert len(points) == (space.size or 0) - 1

    # -- outcomes ----------------------------------------------------------------------------------------------

    def test_points_from_elsewhere_may_lie_anywhere(self) -> None:
        for space in (plain_space(), nested_space(), deep_space()):
            sampler = self._started(space)
            given = space.decode([0.123] * len(space.parameters))
            running = {0: given}

            _check(space, _present(sampler.suggest(1, running)))
            sampler.observe(*_outcome(space, 0, given))
            _check(space, _present(sampler.suggest(2, {})))

    def test_failed_trials_are_accepted(self) -> None:
        for space in (nested_space(), deep_space()):
            sampler = self._started(space)
            for trial_id in range(self.n):
                point = _present(sampler.suggest(trial_id, {}))
                failed = trial_id % 3 != 1
                _check(space, point)
                sampler.observe(*_outcome(space, trial_id, point, failed=failed))

    def test_a_search_in_which_every_trial_fails_goes_on(self) -> None:
        space = nested_space()
        sampler = self._started(space)
        for trial_id in range(self.n):
            point = _present(sampler.suggest(trial_id, {}))
            _check(space, point)
            sampler.observe(*_outcome(space, trial_id, point, failed=True))

    def test_equal_losses_are_accepted(self) -> None:
        space = nested_space()
        sampler = self._started(space)
        for trial_id in range(self.n):
            point = _present(sampler.suggest(trial_id, {}))
            _check(space, point)
            trial, _ = _outcome(space, trial_id, point)
            sampler.observe(trial, Outcome((1.0,)))

    def test_only_losses_count_and_not_the_direction(self) -> None:
        """When maximising, a trial's value is the loss with the other sign; the sampler must look at the loss."""
        space = nested_space()
        sampler, other = self._started(space), self._started(space)
        for trial_id in range(self.n):
            point = _present(sampler.suggest(trial_id, {}))

            assert other.suggest(trial_id, {}) == point
            sampler.observe(*_outcome(space, trial_id, point))
            other.observe(*_outcome(space, trial_id, point, maximize=True))

    # -- inside ------------------------------------------------------------------------------------------------

    def _started(self, space: Space, seed: int = _SEED) -> Sampler:
        sampler = self.make()
        sampler.start(Problem(space, seed))
        return sampler

    def _search(self, space: Space, *, seed: int = _SEED, n: int | None = None) -> list[Point]:
        return self._continue(self._started(space, seed), space, 0, n=n)

    def _continue(self, sampler: Sampler, space: Space, first: int, *, n: int | None = None) -> list[Point]:
        """Run trials one after another until there are ``n`` or no more, and return the points of those run here."""
        points = []
        for trial_id in range(first, self.n if n is None else n):
            point = sampler.suggest(trial_id, {})
            if point is None:
                break
            points.append(point)
            sampler.observe(*_outcome(space, trial_id, point))
        return points

    def _check_points(self, space: Space) -> None:
        sampler = self._started(space)
        running: dict[int, Point] = {}
        for trial_id in range(min(self.n, space.size or self.n)):
            point = _present(sampler.suggest(trial_id, running))
            _check(space, point)
            running[trial_id] = point
            if len(running) > 3:  # trials overlap, and end in another order than they began
                done = sorted(running)[1]
                sampler.observe(*_outcome(space, done, running.pop(done)))


def _present(point: Point | None) -> Point:
    assert point is not None, "nothing was suggested, though not everything was tried"
    return point


def _check(space: Space, point: Mapping[str, float]) -> None:
    active = [name for name, parent in space.parents.items() if parent is None or point.get(parent[0]) == parent[1]]
    assert set(point) == set(active), f"active are {active}, and the point has {list(point)}"
    for name, value in point.items():
        assert space.parameters[name].read(value) == value, f"{name} = {value!r}"


def _outcome(
    space: Space, trial_id: int, point: Point, *, failed: bool = False, maximize: bool = False
) -> tuple[Trial, Outcome | None]:
    loss = None if failed else sum((u - 0.3) ** 2 for u in space.encode(point) if u == u)
    value = -loss if maximize and loss is not None else loss
    state = TrialState.FAILED if failed else TrialState.FINISHED
    trial = Trial(trial_id, point, space.build(point), state=state, value=value, order=trial_id)
    return trial, None if loss is None else Outcome((loss,))
