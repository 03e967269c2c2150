"""bv_finetune stopped and killed for real: nothing is lost, nothing counts twice, and the weights come out the same."""

import json
import os
import random
import re
import signal
import time

import bv
import h5py
import pytest

ROUNDS = int(os.environ.get("BV_FAULT_ROUNDS", "2"))
STEPS = 60


@pytest.fixture(scope="module")
def features(corpus, model, tmp_path_factory):
    path = tmp_path_factory.mktemp("features") / "train.h5"
    bv.run("bv_prepare", "--squad", corpus / "train.json", "--model", model, "--max-tokens", 96, "--stride", 24, "--limit", 12,
           "--output", path)
    return path


@pytest.fixture(scope="module")
def eval_features(corpus, model, tmp_path_factory):
    path = tmp_path_factory.mktemp("features") / "dev.h5"
    bv.run("bv_prepare", "--squad", corpus / "dev.json", "--model", model, "--max-tokens", 96, "--stride", 24, "--limit", 6,
           "--output", path)
    return path


@pytest.fixture(scope="module")
def recipe(tiny_model, features, eval_features):
    """Flags of a run of 60 steps whose schedule, clipping and dropout would tell any slip, evaluated now and then. The precision
    stands last: auto may choose another one for each new run."""
    with h5py.File(features) as file:
        count = len(file["features/starts"]) - 1
    steps = -(-count // 4)
    epochs = ",".join(f"{step}/{steps}" for step in range(0, STEPS + 1, 12))
    return ["--model", tiny_model, "--features", features, "--checkpoints", epochs, "--batch", 4, "--learning-rate", 1e-3,
            "--optimizer", "adamw", "--weight-decay", 0.01, "--schedule", "linear", "--warm-up", 0.1, "--clip", 1,
            "--device", "cpu", "--threads", 1, "--eval-features", eval_features,
            "--precision", "float32"]


@pytest.fixture(scope="module")
def undisturbed(recipe, tmp_path_factory):
    """The output of a run that nothing disturbed, on 2 ranks."""
    output = tmp_path_factory.mktemp("undisturbed")
    bv.run("bv_finetune", *recipe, "--output", output, ranks=2)
    return output


def checkpoints(output):
    return {path.parent.name for path in output.glob("checkpoints/epoch-*/model.safetensors")}


def steps(output):
    return [(line["step"], line["loss"], line["gradient_norm"])
            for line in bv.read_json_lines(output / "metrics" / "finetune.jsonl") if "step" in line]


def evaluations(output):
    """The evaluations without the time before them."""
    found = [line["evaluation"] for line in bv.read_json_lines(output / "metrics" / "finetune.jsonl") if "evaluation" in line]
    return [{key: value for key, value in evaluation.items() if key != "rank_hours"} for evaluation in found]


def steps_done(output):
    path = output / "metrics" / "finetune.jsonl"
    return path.read_text().count("\n") if path.exists() else 0


def start(recipe, output, *flags, ranks=2):
    return bv.start("bv_finetune", *recipe, "--output", output, *flags, ranks=ranks)


def wait_for_step(process, output, step):
    until = time.monotonic() + 60
    while steps_done(output) < step and process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)


def rank_of(pid):
    with open(f"/proc/{pid}/environ", "rb") as file:
        variables = file.read().decode().split("\0")
    return next(int(value) for name, _, value in (variable.partition("=") for variable in variables) if name == "OMPI_COMM_WORLD_RANK")


def assert_same_run(output, undisturbed):
    assert bv.weights(output) == bv.weights(undisturbed)
    assert steps(output) == steps(undisturbed)
    assert evaluations(output) == evaluations(undisturbed)
    assert bv.read_json_lines(output / "metrics" / "finetune.jsonl")[-1]["done"] is True
    assert [path.name for path in (output / "resume").iterdir()] == ["recipe.json"]
    assert not list(output.rglob("*.partial"))


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_told_to_stop_at_any_step_it_saves_and_goes_on_with_the_same_bits(recipe, undisturbed, tmp_path, seed):
    draw = random.Random(seed)
    for at in sorted(draw.sample(range(1, STEPS - 5), 2)):
        process = start(recipe, tmp_path, "--resume-every", 0)
        wait_for_step(process, tmp_path, at)
        bv.tell_to_stop(process)
        text, _ = process.communicate(timeout=60)
        assert process.returncode == 85, text
        assert "state saved after" in text
    process = start(recipe, tmp_path, "--resume", "must")
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "resumed after" in text, text
    assert_same_run(tmp_path, undisturbed)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_rank_killed_at_any_step_loses_nothing_that_was_saved(recipe, undisturbed, tmp_path, seed):
    draw = random.Random(1000 + seed)
    process = start(recipe, tmp_path, "--resume-every", 0.0005)
    wait_for_step(process, tmp_path, draw.randrange(1, STEPS - 5))
    time.sleep(draw.random() * 0.02)
    os.kill(draw.choice(bv.ranks_of(process)), signal.SIGKILL)
    began = time.monotonic()
    text, _ = process.communicate(timeout=60)
    assert process.returncode not in (0, 2, 85), text
    assert time.monotonic() - began < 30
    bv.run("bv_finetune", *recipe, "--output", tmp_path, ranks=2)
    assert_same_run(tmp_path, undisturbed)


@pytest.mark.parametrize("precision, other", [("float32", "bfloat16"), ("bfloat16", "float32")])
def test_a_resumed_run_keeps_its_precision(recipe, tmp_path, precision, other):
    """The precision stays, whichever one the second machine would choose: this machine would choose one of the two."""
    automatic = recipe[:-2]
    process = start([*automatic, "--precision", precision], tmp_path, "--resume-every", 0)
    wait_for_step(process, tmp_path, 10)
    bv.tell_to_stop(process)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 85, text
    refused = bv.run("bv_finetune", *automatic, "--output", tmp_path, "--precision", other, ranks=2, check=False)
    assert refused.rc == 2 and f'precision "{precision}" there, "{other}" here' in bv.error_lines(refused.stderr)[0]
    done = bv.run("bv_finetune", *automatic, "--output", tmp_path, "--resume", "must", ranks=2)
    assert f"precision: {precision} (as the earlier run recorded)" in done.stderr, done.stderr
    assert bv.read_json_lines(tmp_path / "metrics" / "finetune.jsonl")[-1]["precision"] == precision
    checkpoints = list(tmp_path.glob("checkpoints/*/checkpoint.json"))
    assert {bv.read_json(path)["precision"] for path in checkpoints} == {precision}


def test_a_run_whose_recipe_records_no_precision_is_refused(recipe, tmp_path):
    process = start(recipe, tmp_path, "--resume-every", 0)
    wait_for_step(process, tmp_path, 10)
    bv.tell_to_stop(process)
    process.communicate(timeout=60)
    recorded = bv.read_json(tmp_path / "resume" / "recipe.json")
    assert recorded.pop("precision") == "float32"
    (tmp_path / "resume" / "recipe.json").write_text(json.dumps(recorded))
    for flags, words in ((recipe, 'precision null there, "float32" here'), (recipe[:-2], "recipe.json: key 'precision' is missing")):
        refused = bv.run("bv_finetune", *flags, "--output", tmp_path, ranks=2, check=False)
        assert refused.rc == 2 and words in bv.error_lines(refused.stderr)[0], refused.stderr


def hung_lines(text):
    return sorted(line for line in text.splitlines() if line.startswith("hung: "))


@pytest.mark.parametrize("ranks, victim", [(2, 0), (2, 1), (4, 2)])
def test_a_stopped_rank_is_named_by_all_others_and_the_run_goes_on_from_its_state(recipe, undisturbed, tmp_path, ranks, victim):
    process = start(recipe, tmp_path / "run", "--resume-every", 0.0005, "--hang-timeout", 3, ranks=ranks)
    wait_for_step(process, tmp_path / "run", 10)
    pids = {rank_of(pid): pid for pid in bv.ranks_of(process)}
    assert sorted(pids) == list(range(ranks))
    os.kill(pids[victim], signal.SIGSTOP)
    began = time.monotonic()
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 1, text
    while any(os.path.exists(f"/proc/{pid}") for pid in pids.values()):
        assert time.monotonic() - began < 3 + 30, "a rank outlived the timeout by 30 s"
        time.sleep(0.05)
    lines = hung_lines(text)
    assert [line.rpartition(" ")[2] for line in lines] == [str(rank) for rank in range(ranks) if rank != victim], text
    for line in lines:
        assert re.fullmatch(rf"hung: rank {victim} of {ranks} \(host \S+\): no sign for [45] s, last in (starting|predicting .*|fine-tuning: "
                        rf"\d+ of {STEPS} steps(, \w+)?); seen by rank \d", line), line  # its last beat may be from before the first step
    bv.run("bv_finetune", *recipe, "--output", tmp_path / "run", "--resume", "must", ranks=ranks)
    if ranks == 2:
        assert_same_run(tmp_path / "run", undisturbed)
    else:
        bv.run("bv_finetune", *recipe, "--output", tmp_path / "whole", ranks=ranks)
        assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_a_rank_stuck_in_a_file_system_is_named_by_all(recipe, tmp_path):
    (tmp_path / "metrics").mkdir()
    os.mkfifo(tmp_path / "metrics" / "finetune.jsonl")  # rank 0 waits for its reader, the others for rank 0
    process = start(recipe, tmp_path, "--hang-timeout", 2, ranks=4)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 1, text
    lines = hung_lines(text)
    assert len(lines) == 4, text
    for rank, line in enumerate(lines):
        assert line.startswith("hung: rank 0 of 4 (host ") and line.endswith(f"seen by rank {rank}"), line
        assert "alive, but no progress for 20 s" in line and line.count(" of 4") == 1, line


def test_a_full_disk_is_reported_and_costs_nothing_that_was_saved(recipe, undisturbed, mounted):
    small_file_system = mounted("tmpfs", 64)
    output = small_file_system / "run"
    stopped(recipe, output)
    state, = output.glob("resume/step-*")
    before = {path: bv.digest(path) for path in state.iterdir()}
    kept = bv.weights(output)
    ballast = small_file_system / "ballast"
    with open(ballast, "wb", buffering=0) as file:  # leaves less than a state or a checkpoint takes
        try:
            while True:
                file.write(bytes(64 << 10))
        except OSError:
            file.truncate(max(file.tell() - (256 << 10), 0))
    full = bv.run("bv_finetune", *recipe, "--output", output, "--resume", "must", "--resume-every", 0.0005, ranks=2, check=False)
    errors = bv.error_lines(full.stderr)
    assert full.rc == 2 and len(errors) == 1, full.stderr
    assert str(output) in errors[0] and "No space left on device" in errors[0]
    assert {path: bv.digest(path) for path in state.iterdir()} == before
    assert {name: values for name, values in bv.weights(output).items() if name in kept} == kept
    ballast.unlink()
    bv.run("bv_finetune", *recipe, "--output", output, "--resume", "must", ranks=2)
    assert_same_run(output, undisturbed)


def stopped(recipe, output, at=20):
    process = start(recipe, output)
    wait_for_step(process, output, at)
    bv.tell_to_stop(process)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 85, text


def test_no_rank_but_rank_0_needs_the_output_folder(recipe, undisturbed, tmp_path):
    stopped(recipe, tmp_path / "0" / "run")
    own = 'mkdir -p $OMPI_COMM_WORLD_RANK && cd $OMPI_COMM_WORLD_RANK && exec "$@" --output run'  # a folder for each rank
    again = bv.run_command([*bv.mpirun(2), "sh", "-c", own, "sh", bv.BIN / "bv_finetune", *recipe, "--resume", "must"], cwd=tmp_path)
    assert "resumed after" in again.stderr
    assert_same_run(tmp_path / "0" / "run", undisturbed)
    assert not list((tmp_path / "1").iterdir())


@pytest.mark.parametrize("ranks", [1, 4])
def test_another_number_of_ranks_keeps_data_order_and_losses(recipe, tmp_path, ranks):
    bv.run("bv_finetune", *recipe, "--output", tmp_path / "whole", ranks=2)
    stopped(recipe, tmp_path / "resumed")
    bv.run("bv_finetune", *recipe, "--output", tmp_path / "resumed", "--resume", "must", ranks=ranks)
    whole, resumed = steps(tmp_path / "whole"), steps(tmp_path / "resumed")
    assert [step for step, _, _ in resumed] == [step for step, _, _ in whole]
    assert [loss for _, loss, _ in resumed] == pytest.approx([loss for _, loss, _ in whole], rel=1e-4)


@pytest.mark.parametrize("flags", [[], ["--force"]])
def test_a_forced_run_that_is_stopped_goes_on_and_takes_no_earlier_checkpoint_for_its_own(recipe, undisturbed, tmp_path, flags):
    other = [*recipe]
    other[other.index("--learning-rate") + 1] = 2e-3
    bv.run("bv_finetune", *other, "--output", tmp_path, ranks=2)
    earlier = set(bv.weights(tmp_path).values())
    process = start(recipe, tmp_path, "--force", "--resume-every", 0)
    until = time.monotonic() + 60
    while checkpoints(tmp_path) == checkpoints(undisturbed) or steps_done(tmp_path) < 20:  # the log is the earlier run's at first
        assert process.poll() is None and time.monotonic() < until, process.communicate()[0]
        time.sleep(0.005)
    bv.tell_to_stop(process)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 85, text
    assert not earlier & {content for name, content in bv.weights(tmp_path).items() if name != "epoch-0"}
    again = bv.run("bv_finetune", *recipe, "--output", tmp_path, *flags, ranks=2)
    assert "resumed after" in again.stderr
    assert_same_run(tmp_path, undisturbed)


def test_patience_goes_on_counting_where_the_run_was_stopped(recipe, tmp_path):
    """At a vanishing learning rate no checkpoint is better than the first, so the fourth ends training."""
    flags = [*recipe[:8], *recipe[10:], "--learning-rate", 1e-12, "--patience", 3]
    bv.run("bv_finetune", *flags, "--output", tmp_path / "whole", ranks=2)
    stopped(flags, tmp_path / "resumed", at=18)
    assert 1 < len(evaluations(tmp_path / "resumed")) < 4
    bv.run("bv_finetune", *flags, "--output", tmp_path / "resumed", "--resume", "must", ranks=2)
    assert len(evaluations(tmp_path / "whole")) == 4
    assert evaluations(tmp_path / "resumed") == evaluations(tmp_path / "whole")
    assert steps(tmp_path / "resumed") == steps(tmp_path / "whole")
    assert bv.weights(tmp_path / "resumed") == bv.weights(tmp_path / "whole")


def test_a_checkpoint_before_the_saved_state_is_refused_and_the_state_kept(tiny_model, features, tmp_path):
    flags = ["--model", tiny_model, "--features", features, "--batch", 4, "--device", "cpu", "--threads", 1, "--precision", "float32"]
    stopped([*flags, "--checkpoints", "0,50"], tmp_path)
    state, = tmp_path.glob("resume/step-*")
    before = {path: bv.digest(path) for path in state.iterdir()}
    for plan in (["1"], ["0,1,50"], ["1", "--force"], ["1", "--resume", "must"]):
        refused = bv.run("bv_finetune", *flags, "--output", tmp_path, "--checkpoints", *plan, ranks=2, check=False)
        error, = bv.error_lines(refused.stderr)
        assert refused.rc == 2 and "epoch 1 is reached after" in error and "--resume never --force" in error, refused.stderr
        assert f"would go on after {state.name.removeprefix('step-')}, from" in error
        assert {path: bv.digest(path) for path in state.iterdir()} == before and checkpoints(tmp_path) == {"epoch-0"}
    again = bv.run("bv_finetune", *flags, "--output", tmp_path, "--checkpoints", "0,50", ranks=2)
    assert "resumed after" in again.stderr and checkpoints(tmp_path) == {"epoch-0", "epoch-50"}
    bv.run("bv_finetune", *flags, "--output", tmp_path, "--checkpoints", "1", "--resume", "never", "--force", ranks=2)
    assert checkpoints(tmp_path) == {"epoch-1"}


def test_a_run_that_is_finished_is_left_alone(recipe, undisturbed):
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*")}
    result = bv.run("bv_finetune", *recipe, "--output", undisturbed, ranks=2)
    assert "trained already" in result.stderr
    assert {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*")} == before


@pytest.mark.parametrize("ranks", [1, 2])
def test_another_recipe_and_an_absent_state_are_refused_by_name(recipe, undisturbed, tmp_path, ranks):
    for flags, words in (
        (["--output", undisturbed, "--learning-rate", 1e-4], ["learning_rate 0.001 there, 0.0001 here", "--force"]),
        (["--output", tmp_path / "new", "--resume", "must"], ["--resume must", "new"]),
    ):
        refused = bv.run("bv_finetune", *recipe[:8], *recipe[10:], *flags, ranks=ranks, check=False)
        errors = bv.error_lines(refused.stderr)
        assert refused.rc == 2 and len(errors) == 1 and all(word in errors[0] for word in words), refused.stderr
    assert not (tmp_path / "new").exists()


def test_a_state_that_cannot_be_read_is_an_error_and_stays(recipe, undisturbed, tmp_path):
    stopped(recipe, tmp_path)
    path, = tmp_path.glob("resume/step-*/state.safetensors")
    path.rename(tmp_path / "aside")
    path.symlink_to(path)  # not even root can open it
    result = bv.run("bv_finetune", *recipe, "--output", tmp_path, ranks=2, check=False)
    error, = bv.error_lines(result.stderr)
    assert result.rc == 2 and str(path) in error and "Too many levels" in error
    (tmp_path / "aside").replace(path)
    again = bv.run("bv_finetune", *recipe, "--output", tmp_path, ranks=2)
    assert "resumed after" in again.stderr
    assert_same_run(tmp_path, undisturbed)


def test_a_damaged_state_is_passed_over_and_training_begins_anew(recipe, undisturbed, tmp_path):
    stopped(recipe, tmp_path)
    path, = tmp_path.glob("resume/step-*/state.safetensors")
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    result = bv.run("bv_finetune", *recipe, "--output", tmp_path, ranks=2)
    assert "damaged" in result.stderr and str(path.parent) in result.stderr
    assert_same_run(tmp_path, undisturbed)
