"""Who made a result: the member `made` of metrics.json and checkpoint.json."""

import re
import socket
from datetime import UTC, datetime, timedelta

import bv


def assert_made_by(result, program, job=None):
    """The object says that the program made it on this host, not long ago, in this job or in none."""
    made = result["made"]
    version, commit = (line.split()[-1] for line in bv.run(program, "--version").stdout.splitlines()[:2])
    assert {key: value for key, value in made.items() if key != "time"} == {
        "program": program, "version": version, "commit": commit, "host": socket.gethostname(), **({"job": job} if job else {})}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made["time"])
    assert timedelta() <= datetime.now(UTC) - datetime.fromisoformat(made["time"]) < timedelta(minutes=30)
