from hypothesis import HealthCheck, settings

# The same examples in every run, and no verdict on how fast the machine is.
settings.register_profile("steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")
