from manyhands.ports import Sampler
from manyhands.samplers import GridSampler, RandomSampler, SobolSampler
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
