from manyhands.ports import Sampler
from manyhands.samplers import GridSampler, RandomSampler, SobolSampler, make_sampler
from manyhands.samplers.gp.sampler import GPSampler
from manyhands.samplers.tpe.sampler import TPESampler
from manyhands.testing.samplers import SamplerContract


class TestRandomSampler(SamplerContract):
    def make(self) -> Sampler:
        return RandomSampler()


class TestSobolSampler(SamplerContract):
    def make(self) -> Sampler:
        return SobolSampler()


class TestGridSampler(SamplerContract):
    is_random = False

    def make(self) -> Sampler:
        return GridSampler(n=25)


class TestTPESampler(SamplerContract):
    n = 40

    def make(self) -> Sampler:
        return TPESampler()


class TestGPSampler(SamplerContract):
    def make(self) -> Sampler:
        return GPSampler()


class TestAutoSampler(SamplerContract):
    def make(self) -> Sampler:
        return make_sampler("auto")
