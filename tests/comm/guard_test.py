"""Every way a program ends, at 1, 2 and 4 ranks: one line, the right exit code, no rank left waiting."""
import os
import re
import shlex
import subprocess
import time

import pytest

PROBE = os.environ["BV_GUARD_PROBE"]
MPIRUN = [os.environ["BV_MPIRUN"], *shlex.split(os.environ["BV_MPIRUN_FLAGS"])]
HUNG = re.compile(r"hung: rank (\d) of (\d) \(host \S+\): no sign for [45] s, last in starting; seen by rank (\d)")
RANKS = pytest.mark.parametrize("ranks", [1, 2, 4])


def end(how, ranks=None):
    launcher = [] if ranks is None else [*MPIRUN, "-n", str(ranks)]
    return subprocess.run([*launcher, PROBE, how], capture_output=True, text=True, timeout=60, check=False)


def lines(result, start):
    return [line for line in result.stderr.splitlines() if line.startswith(start)]


@RANKS
def test_success(ranks):
    assert end("nothing", ranks).returncode == 0


@RANKS
def test_help_is_printed_once(ranks):
    result = end("help", ranks)
    assert result.returncode == 0
    assert result.stdout.replace("released\n", "") == "how to use it\n"


@RANKS
@pytest.mark.parametrize("how, released", [("nothing", True), ("agreed", True), ("stopped", True), ("crash", False)])
def test_handles_are_released_where_all_ranks_end_together(how, released, ranks):
    result = end(how, ranks)
    assert result.stdout.count("released") == (ranks if released else 0)


@RANKS
def test_an_agreed_mistake_is_one_line_and_code_2(ranks):
    result = end("agreed", ranks)
    assert result.returncode == 2
    assert lines(result, "error:") == ["error: flags.toml:3: unknown key 'bacth'"]
    assert "MPI_ABORT" not in result.stderr


@RANKS
def test_a_mistake_of_one_rank_names_it_and_ends_all_with_code_2(ranks):
    result = end("error", ranks)
    assert result.returncode == 2
    where = "" if ranks == 1 else f"rank {ranks - 1} of {ranks}: "
    assert lines(result, "error:") == [f"error: {where}a.json: truncated"]


@RANKS
def test_a_crash_of_one_rank_names_it_and_ends_all_with_code_1(ranks):
    result = end("crash", ranks)
    assert result.returncode == 1
    assert lines(result, "failure:") == [f"failure: rank {ranks - 1} of {ranks}: the engine fell off"]


@RANKS
def test_a_crash_of_a_thread_is_no_other(ranks):
    result = end("crash-in-thread", ranks)
    assert result.returncode == 1
    assert lines(result, "failure:") == [f"failure: rank {ranks - 1} of {ranks}: the engine fell off"]


@RANKS
def test_a_failure_before_there_is_a_communicator_names_its_rank(ranks):
    result = end("no-communicator", ranks)
    assert result.returncode == 1
    failure, = lines(result, "failure:")
    assert failure.startswith(f"failure: rank 0 of {ranks}: MPI_Comm_dup failed: ")


@pytest.mark.parametrize("ranks", [2, 4])
def test_on_request_every_rank_says_which_collective_call_it_enters(ranks, monkeypatch):
    monkeypatch.setenv("BV_LOG", "debug")
    told = end("waits", ranks).stderr
    assert told.count("Communicator::barrier") == ranks
    assert [told.count(f"[rank {rank}] enters void bv::Communicator::barrier") for rank in range(1, ranks)] == [1] * (ranks - 1)
    monkeypatch.delenv("BV_LOG")
    assert "enters" not in end("waits", ranks).stderr


@pytest.mark.parametrize("how, ranks", [("hang-stopped", 2), ("hang-stopped", 4), ("hang-at-end", 4)])
def test_a_stopped_rank_is_named_by_every_other_and_all_end_with_code_1(how, ranks):
    result = end(how, ranks)
    assert result.returncode == 1
    named = [HUNG.fullmatch(line).groups() for line in lines(result, "hung:")]
    assert sorted(named) == [(str(ranks - 1), str(ranks), str(other)) for other in range(ranks - 1)]


def test_ranks_between_two_stopped_ones_are_not_blamed():
    found = lines(end("hang-stopped-two", 4), "hung:")
    assert len(found) == 2
    for line in found:
        assert re.findall(r"rank (\d) of 4 \(host", line) == ["1", "3"]


def test_a_rank_that_is_busy_for_longer_than_the_timeout_is_left_alone():
    result = end("hang-busy", 4)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_that_all_wait_for_each_other_end_after_the_timeout(ranks):
    began = time.monotonic()
    result = end("hang-all-wait", ranks)
    assert result.returncode == 1
    assert len(lines(result, f"hung: all {ranks} ranks: each waits for others")) == ranks
    assert time.monotonic() - began < 20  # ten times the timeout is 30 s


def test_what_is_wrong_beside_the_main_thread_ends_all():
    result = end("hang-watched", 2)
    assert result.returncode == 1
    assert lines(result, "failure:") == ["failure: rank 1 of 2: the network is gone"]


@pytest.mark.parametrize("how, code, line", [("alone-nothing", 0, ""), ("alone-error", 2, "error: a.json: truncated\n"),
                                             ("alone-crash", 1, "failure: the engine fell off\n"),
                                             ("alone-crash-in-thread", 1, "failure: the engine fell off\n")])
def test_a_program_of_one_process(how, code, line):
    result = end(how)
    assert (result.returncode, result.stderr) == (code, line)


def test_help_of_a_program_of_one_process():
    assert end("alone-help").stdout == "how to use it\n"


def test_a_program_of_one_process_refuses_several_ranks():
    result = end("alone-nothing", 2)
    assert result.returncode == 2
    assert "without mpirun (mpirun started 2 processes)" in result.stderr
