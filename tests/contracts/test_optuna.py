import pytest

from manyhands.ports import Sampler
from manyhands.samplers.foreign import adopt
from manyhands.testing.samplers import SamplerContract

optuna = pytest.importorskip("optuna")


def adopted(sampler: object) -> Sampler:
    found = adopt(sampler)
    assert found is not None
    return found


class TestOptunaTpe(SamplerContract):
    def make(self) -> Sampler:
        return adopted(optuna.samplers.TPESampler())


class TestOptunaTpeWithLiarsAndGroups(SamplerContract):
    def make(self) -> Sampler:
        with pytest.warns(optuna.exceptions.ExperimentalWarning):
            return adopted(optuna.samplers.TPESampler(multivariate=True, group=True, constant_liar=True))


class TestOptunaRandom(SamplerContract):
    def make(self) -> Sampler:
        return adopted(optuna.samplers.RandomSampler(seed=3))


class TestOptunaNsga2(SamplerContract):
    n = 32

    def make(self) -> Sampler:
        return adopted(optuna.samplers.NSGAIISampler(population_size=5))


class TestOptunaQmc(SamplerContract):
    def make(self) -> Sampler:
        with pytest.warns(optuna.exceptions.ExperimentalWarning):
            return adopted(optuna.samplers.QMCSampler(seed=4))


class TestOptunaCmaEs(SamplerContract):
    n = 40

    def make(self) -> Sampler:
        pytest.importorskip("cmaes")
        return adopted(optuna.samplers.CmaEsSampler())


class TestOptunaGp(SamplerContract):
    n = 14

    def make(self) -> Sampler:
        pytest.importorskip("torch")
        return adopted(optuna.samplers.GPSampler(n_startup_trials=8))
