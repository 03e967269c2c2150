"""What tests of tools that watch a run share."""

import subprocess
import sys

import bv
import pytest


@pytest.fixture
def watching():
    """watching(TOOL, RUN) starts tools/TOOL --watch and returns the process; it is gone at the end."""
    started = []

    def start(tool, run):
        command = [sys.executable, bv.SOURCE / "tools" / tool, "--run", run, "--watch", "0.05"]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()
