"""What holds for all tests."""

from hypothesis import HealthCheck, settings

# By default an example that takes longer than 200 ms fails: that is the machine's speed.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
