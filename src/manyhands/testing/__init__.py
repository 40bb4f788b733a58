"""What every sampler, scheduler, store and executor must do, as tests that run: for people who write their own.

Subclass a contract, override ``make``, and let pytest collect the subclass::

    from manyhands.testing.samplers import SamplerContract

    class TestMySampler(SamplerContract):
        def make(self):
            return MySampler()
"""
