"""Profiles of the property tests: few examples, the same ones in every run, unless asked.

``FASTINFLUENCE_EXAMPLES=2000 pytest tests/properties`` draws so many new ones for each property,
and prints what repeats a failure.
"""

import os

from hypothesis import HealthCheck, settings

SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)

settings.register_profile(
    "few",
    max_examples=12,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=SLOW,
)
settings.register_profile(
    "many",
    max_examples=int(os.environ.get("FASTINFLUENCE_EXAMPLES", "0")) or 1,
    derandomize=False,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=SLOW,
)
settings.load_profile("many" if os.environ.get("FASTINFLUENCE_EXAMPLES") else "few")
