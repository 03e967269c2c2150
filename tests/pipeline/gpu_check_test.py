"""tools/bench/gpu.py on the CPU: it ends in time with all that it started, and its numbers so far are in two small files."""

import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import bv
import pytest

SCRIPT = bv.SOURCE / "tools" / "bench" / "gpu.py"
FOREVER = ["--steps", 20000, "--kills", 1000]
QUICK = ["--steps", 2, "--kills", 0]


class Check:
    """Runs the script on one rank with a tiny model; its results are in `output`, all else in `work`."""

    def __init__(self, folder, model, corpus):
        self.output, self.work = folder / "output", folder / "work"
        self.command = [sys.executable, SCRIPT, self.output, "--work", self.work, "--device", "cpu", "--gpus", 1, "--model", model,
                        "--squad", corpus, "--few", 4, "--batch", 4, "--programs", bv.BIN]

    def run(self, items, *flags, env=None, check=True):
        return bv.run_command([*self.command, "--items", items, *flags], env={"SLURM_JOB_ID": "", **(env or {})}, timeout=300,
                              check=check)

    def start(self, items, *flags):
        command = [str(word) for word in [*self.command, "--items", items, *flags]]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                env={**os.environ, "SLURM_JOB_ID": "", "OMP_NUM_THREADS": "1"}, start_new_session=True)

    def processes(self):
        """The command lines of all processes that work in `work`."""
        found = []
        for place in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = place.read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue  # it has ended
            if any(word.startswith(f"{self.work}/") for word in words):
                found.append(words)
        return found

    def wait_for(self, condition):
        until = time.monotonic() + 120
        while not condition():
            assert time.monotonic() < until, self.processes()
            time.sleep(0.05)

    def trains(self):
        return any(words[0].endswith("/bv_finetune") for words in self.processes())

    def items(self):
        return {item["item"]: item for item in bv.read_json(self.output / "summary.json")["items"]}

    def packed(self):
        with tarfile.open(self.output / "results.tar.gz") as archive:
            return {Path(name).name: archive.extractfile(name).read().decode() for name in archive.getnames()}


@pytest.fixture
def gpu_check(tmp_path, tiny_model, corpus):
    return Check(tmp_path, tiny_model, corpus)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_and_keeps_the_numbers_so_far(gpu_check, number):
    process = gpu_check.start("speed,equal-bits", *FOREVER)
    gpu_check.wait_for(gpu_check.trains)
    began = time.monotonic()
    os.kill(process.pid, number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert time.monotonic() - began < 20
    assert not gpu_check.processes()
    found = gpu_check.items()
    assert {name: (item["ended"], item["why"]) for name, item in found.items()} == {
        "inputs": ("passed", ""), "speed": ("out of time", f"stopped by {number.name}"),
        "equal-bits": ("not begun", f"stopped by {number.name}")}
    assert found["inputs"]["numbers"]["sequences"] > 0
    assert found["speed"]["numbers"]["mean_tokens"] > 0
    assert "out of time" in said
    assert "bv_finetune" in gpu_check.packed()["speed.log"]


def test_when_it_is_killed_its_children_end_and_the_numbers_so_far_are_there(gpu_check):
    process = gpu_check.start("speed", *FOREVER)
    gpu_check.wait_for(gpu_check.trains)
    process.kill()
    process.wait()
    gpu_check.wait_for(lambda: not gpu_check.processes())
    found = gpu_check.items()
    assert (found["inputs"]["ended"], found["speed"]["ended"]) == ("passed", "running")
    assert found["speed"]["numbers"]["mean_tokens"] > 0
    assert {"inputs.json", "speed.json"} <= gpu_check.packed().keys()


def test_all_items_together_have_a_limit_and_the_rest_is_not_begun(gpu_check):
    began = time.monotonic()
    gpu_check.run("equal-bits,self-test", *FOREVER, "--total-minutes", 0.4)
    assert time.monotonic() - began < 60
    ended = {name: (item["ended"], item["why"]) for name, item in gpu_check.items().items()}
    assert ended["equal-bits"][0] in ("out of time", "not begun")  # on a busy machine the inputs may take all the time
    assert ended["self-test"] == ("not begun", "no time is left")
    assert not gpu_check.processes()


def test_the_limits_hold_for_the_inputs_and_for_one_item_too(gpu_check):
    gpu_check.run("speed,tests", "--total-minutes", 0.001)
    assert [(item["item"], item["ended"]) for item in gpu_check.items().values()] == [
        ("inputs", "out of time"), ("speed", "not begun"), ("tests", "not begun")]
    gpu_check.run("speed,tests", "--minutes", 0.001)
    assert [(item["item"], item["ended"], item["why"]) for item in gpu_check.items().values()] == [
        ("inputs", "out of time", "0.001 minutes"), ("speed", "not begun", "there are no inputs"),
        ("tests", "out of time", "0.001 minutes")]


def test_work_in_python_itself_ends_at_the_limit():
    script = """
import time
from gpu_bench import Clock, OutOfTime
clock, began = Clock(minutes=1), time.monotonic()
try:
    with clock.limit(seconds=0.2):
        while True:
            try:
                time.sleep(1e-3)
            except Exception:
                pass
except OutOfTime:
    print(time.monotonic() - began)
"""
    said = bv.run_command([sys.executable, "-c", script], env={"PYTHONPATH": str(SCRIPT.parent)}).stdout
    assert 0.2 <= float(said) < 10


def test_the_results_are_two_small_files_and_a_second_run_replaces_them(gpu_check):
    for _ in range(2):
        gpu_check.run("equal-bits,tests", *QUICK)
        assert sorted(path.name for path in gpu_check.output.iterdir()) == ["results.tar.gz", "summary.json"]
        packed = gpu_check.packed()
        assert packed.keys() == {f"{name}.{kind}" for name in ("inputs", "equal-bits", "tests") for kind in ("json", "log")}
        assert '"ended": "passed"' in packed["equal-bits.json"]
        assert packed["equal-bits.log"].count("$ ") == 2  # one command for each run
    assert (gpu_check.work / "train.h5").is_file()


def test_a_long_log_is_packed_without_its_middle(tmp_path):
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        from gpu_results import LOG_BYTES, cut
    finally:
        sys.path.remove(str(SCRIPT.parent))
    log = tmp_path / "log"
    log.write_bytes(b"first" + bytes(3 * LOG_BYTES) + b"last")
    found = cut(log)
    assert found.startswith(b"first") and found.endswith(b"last") and len(found) < LOG_BYTES + 100
    assert b"\n... %d bytes are left out here ...\n" % (2 * LOG_BYTES + 9) in found


def test_the_last_lines_are_short_whatever_was_found():
    script = """
import gpu
print(gpu.line(dict(rate=1234.56789, error=1.2345678e-07, text="x")))
print(len(gpu.line(dict(rows=list(range(10000))))), len(gpu.line("y" * 10000)))
"""
    said = bv.run_command([sys.executable, "-c", script], env={"PYTHONPATH": str(SCRIPT.parent)}).stdout
    first, second = said.splitlines()
    assert first == '{"rate": 1235, "error": 1.235e-07, "text": "x"}'
    assert all(int(length) <= 510 for length in second.split())


def test_a_missing_package_skips_only_the_items_that_need_it(gpu_check, tmp_path):
    (tmp_path / "h5py.py").write_text("raise ModuleNotFoundError(\"No module named 'h5py'\")\n")
    gpu_check.run("equal-bits,parity", *QUICK, env={"PYTHONPATH": str(tmp_path)})
    ended = {name: (item["ended"], item["why"]) for name, item in gpu_check.items().items()}
    assert ended == {"inputs": ("passed", ""), "equal-bits": ("passed", ""),
                     "parity": ("skipped", "this Python lacks a package: No module named 'h5py'")}


def test_all_but_two_kills_are_of_a_model_with_few_layers(gpu_check):
    gpu_check.run("equal-bits", "--steps", 2, "--kills", 3)
    found = gpu_check.items()["equal-bits"]
    assert found["ended"] == "passed"
    assert found["numbers"] == {
        part: {"layers": 2, "steps": 4, "undisturbed_equal": True, "kills": kills, "equal_after_kill": kills}
        for part, kills in (("whole_model", 2), ("few_layers", 1))}
    log = gpu_check.packed()["equal-bits.log"]
    assert f"--model {gpu_check.work}/shallow " in log


def test_the_sanitizer_begins_with_the_tests_of_our_own_kernels(gpu_check, tmp_path):
    tests = bv.run("test_bert_gpu", "--gtest_list_tests", "--gtest_filter=*Dropout*").stdout
    assert len(tests.splitlines()) > 1, "no test has the name that the item looks for"
    tool = tmp_path / "bin" / "compute-sanitizer"
    tool.parent.mkdir()
    tool.write_text('#!/bin/bash\necho "$2 $(basename "$5") $6 $PYTORCH_NO_CUDA_MEMORY_CACHING" >>"$RUNS"\nexec "${@:5}"\n')
    tool.chmod(0o755)
    runs = tmp_path / "runs"
    gpu_check.run("sanitizer", env={"PATH": f"{tool.parent}:{os.environ['PATH']}", "RUNS": str(runs)})
    own, rest = "test_bert_gpu --gtest_filter=*Dropout* 1", "--gtest_filter=* 1"
    assert runs.read_text().splitlines() == [
        f"memcheck {own}", f"racecheck {own}", f"initcheck {own}", "memcheck test_bert_gpu --gtest_filter=-*Dropout* 1",
        f"memcheck test_heads_gpu {rest}", f"memcheck test_programs_train_gpu {rest}", f"memcheck test_comm_nccl {rest}"]
    assert gpu_check.items().keys() == {"sanitizer"}  # it needs no inputs


def test_extraction_is_compared_with_the_encoder_alone_and_a_prediction_with_its_run(gpu_check):
    gpu_check.run("extraction,study")
    found = gpu_check.items()
    assert {name: item["ended"] for name, item in found.items()} == {
        "inputs": "passed", "extraction": "passed", "study": "passed"}
    numbers = found["extraction"]["numbers"]
    forward = numbers["forward"]
    assert forward["tokens_per_second"] == pytest.approx(forward["sequences_per_second"] * numbers["mean_tokens"])
    assert numbers["sequences"] >= 12  # three layers, and four questions with the states of all of them
    assert numbers["extraction"].keys() == {"last layer", "all layers"}
    for row in numbers["extraction"].values():
        assert row["share_of_forward"] == pytest.approx(row["tokens_per_second"] / forward["tokens_per_second"])
        assert row["met"] == (row["share_of_forward"] >= numbers["wanted_share_of_forward"] == 0.95)
    log = gpu_check.packed()["extraction.log"]
    assert log.count("--batch-tokens 8192") == 2 and "--layers 2" in log and "--layers all" in log

    numbers = found["study"]["numbers"]
    for ranks, planned in numbers["plans"].items():
        assert planned["ranks"] == int(ranks)
        assert numbers["hours"][ranks] == pytest.approx(planned["seconds"] / 3600)
    assert numbers["plans"].keys() == {"1", "8"}
    assert "configs/reference_8_gpus.toml" in gpu_check.packed()["study.log"]
    check = numbers["check"]
    assert check["share_of_epoch"] >= 0.05 and check["steps"] >= 1
    assert check["measured_over_predicted"] == pytest.approx(check["measured_seconds"] / check["predicted_seconds"])
    assert 0.01 < check["measured_over_predicted"] < 100


def test_heads_are_compared_in_one_training_on_each_device(gpu_check):
    script = ("import sys, gpu, gpu_items; gpu_items.zoo = lambda bench: ['learned_pooling', 'adapter_64_shared_skip']; "
              "sys.exit(gpu.main())")
    command = [sys.executable, "-c", script, *gpu_check.command[2:], "--items", "heads"]
    bv.run_command(command, env={"PYTHONPATH": str(SCRIPT.parent), "SLURM_JOB_ID": ""}, timeout=300)
    found = gpu_check.items()["heads"]
    assert (found["ended"], found["numbers"]) == ("passed", {
        name: {"loss": 0, "logits": 0} for name in ("learned_pooling", "adapter_64_shared_skip")})
    log = gpu_check.packed()["heads.log"]
    assert log.count("/bv_train --store") == 2 and "/bv_eval" not in log
    for name in found["numbers"]:
        runs = gpu_check.work / "heads-on-gpu" / name / "epoch-0"
        learning, still = (runs / f"lr-{rate}-seed-1" for rate in ("0.001", "1e-30"))
        assert bv.digest(learning / "logits.safetensors") != bv.digest(still / "logits.safetensors")
        assert len(bv.read_json_lines(still / "metrics.jsonl")) == 1
