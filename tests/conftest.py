"""What holds for every test: a machine that is busy with other work fails none of them for being slow to think up examples."""

from hypothesis import HealthCheck, settings

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
