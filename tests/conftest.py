"""What every test shares."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A busy machine is slow at drawing examples, and nothing here asserts on time.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
