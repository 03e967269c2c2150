"""Pytest plugin: a failed comparison shows a short difference on a CI machine, too.

Pytest prints whole differences where the environment says that it runs in CI. For weights of megabytes it computes them for longer
than any test may take, so that CTest stops the test without a word.
"""

import os


def pytest_configure():
    for variable in ("CI", "BUILD_NUMBER"):
        os.environ.pop(variable, None)
