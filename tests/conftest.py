"""Settings of all tests."""

from hypothesis import settings

# Cores may be shared, so that how long an example takes says nothing about it.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")
