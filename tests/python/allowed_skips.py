"""A plugin of pytest: a test that is skipped for a reason that tests/allowed_skips.txt does not name fails."""

import re
from pathlib import Path

import pytest

LINES = (Path(__file__).parents[1] / "allowed_skips.txt").read_text(encoding="utf-8").splitlines()
ALLOWED = [re.compile(line) for line in LINES if line and not line.startswith("#")]


def judge(report):
    if not report.skipped or hasattr(report, "wasxfail"):
        return report
    reason = report.longrepr[2].removeprefix("Skipped: ")
    if not any(allowed.match(reason) for allowed in ALLOWED):
        report.outcome = "failed"
        report.longrepr = f"skipped for a reason that tests/allowed_skips.txt does not name: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    return judge((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    return judge((yield))
