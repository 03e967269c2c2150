"""bv_train stopped and killed for real: it goes on within the epoch, and the heads come out with the same bits."""

import contextlib
import os
import random
import signal
import time

import bv
import pytest
from stopped_heads import EPOCHS, make_recipe, results, start, wait_for_epochs

ROUNDS = int(os.environ.get("BV_FAULT_ROUNDS", "2"))


@pytest.fixture(scope="module")
def recipe(corpus, tiny_model, tmp_path_factory):
    return make_recipe(tmp_path_factory.mktemp("states"), tiny_model, corpus)


@pytest.fixture(scope="module")
def undisturbed(recipe, tmp_path_factory):
    """The output of a run that nothing disturbed, on 2 ranks."""
    output = tmp_path_factory.mktemp("undisturbed")
    bv.run("bv_train", *recipe, "--output", output, ranks=2)
    return output


def assert_same_results(output, undisturbed):
    assert results(output) == results(undisturbed)
    assert len(results(output)) == 4 * 6
    for folder in output.rglob("resume"):
        assert [path.name for path in folder.iterdir()] == ["recipe.json"]
    assert not list(output.rglob("*.partial"))


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_told_to_stop_at_any_step_it_saves_and_goes_on_with_the_same_bits(recipe, undisturbed, tmp_path, seed):
    draw = random.Random(seed)
    for epochs in sorted(draw.sample(range(1, 4 * EPOCHS - 16), 2)):
        process = start(recipe, tmp_path, "--resume-every", 0)
        wait_for_epochs(process, tmp_path, epochs)
        time.sleep(draw.random() * 0.01)
        bv.tell_to_stop(process)
        text, _ = process.communicate(timeout=60)
        assert process.returncode == 85, text
        assert "states of 4 heads saved after" in text
    again = bv.run("bv_train", *recipe, "--output", tmp_path, ranks=2)
    assert "resumed after" in again.stderr
    assert_same_results(tmp_path, undisturbed)


def test_stopped_on_two_ranks_it_goes_on_with_one(recipe, undisturbed, tmp_path):
    process = start(recipe, tmp_path, "--resume-every", 0)
    wait_for_epochs(process, tmp_path, 8)
    bv.tell_to_stop(process)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 85, text
    again = bv.run("bv_train", *recipe, "--output", tmp_path, ranks=1)
    assert "resumed after" in again.stderr
    for path in tmp_path.glob("*/*/lr-0.001-seed-1/metrics.jsonl"):
        losses, others = ([line["loss"] for line in bv.read_json_lines(file)]
                          for file in (path, undisturbed / path.relative_to(tmp_path)))
        assert losses == pytest.approx(others, rel=1e-3) and len(losses) == EPOCHS and losses != others


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_rank_killed_at_any_step_loses_nothing_that_was_saved(recipe, undisturbed, tmp_path, seed):
    draw = random.Random(1000 + seed)
    process = start(recipe, tmp_path, "--resume-every", 0.0005)
    wait_for_epochs(process, tmp_path, draw.randrange(1, 4 * EPOCHS - 16))
    time.sleep(draw.random() * 0.05)
    os.kill(draw.choice(bv.ranks_of(process)), signal.SIGKILL)
    text, _ = process.communicate(timeout=60)
    assert process.returncode not in (0, 2, 85), text
    again = bv.run("bv_train", *recipe, "--output", tmp_path, ranks=2)
    assert "resumed after" in again.stderr
    assert_same_results(tmp_path, undisturbed)


def test_heads_that_stand_at_different_steps_go_on_apart_with_the_same_bits(recipe, undisturbed, tmp_path):
    process = start(recipe, tmp_path, "--resume-every", 0)
    wait_for_epochs(process, tmp_path, 8)
    bv.tell_to_stop(process)
    process.communicate(timeout=60)
    for state in (tmp_path / "mine").rglob("resume.json"):
        state.unlink()  # as a kill leaves what is not whole yet
    again = bv.run("bv_train", *recipe, "--output", tmp_path, ranks=2)
    assert "in 2 passes" in again.stderr
    assert_same_results(tmp_path, undisturbed)


def states(output):
    """What stands in the heads' folders for states, whole or begun, by its path in output."""
    return {path.relative_to(output) for path in output.glob("*/*/*/resume/step-*")}


def killed_amid_saving(recipe, output, heads):
    """Kills all ranks at the first sign of a new state, once so many heads have one; returns whether it was in time."""
    process = start(recipe, output, "--resume-every", 0.0005)
    until = time.monotonic() + 60
    ranks = []
    while len(ranks) < 2 and process.poll() is None and time.monotonic() < until:
        ranks = bv.ranks_of(process)
    before = set()
    while process.poll() is None and time.monotonic() < until:
        now = states(output)
        if sum(path.name.removeprefix("step-").isdigit() for path in before) < heads:
            before = now
        elif not now <= before:
            break
    for rank in ranks:
        with contextlib.suppress(ProcessLookupError):  # mpirun may have ended it when the first died
            os.kill(rank, signal.SIGKILL)
    text, _ = process.communicate(timeout=60)
    assert process.returncode not in (2, 85), text
    return process.returncode != 0


@pytest.mark.parametrize("heads", [0, 16])
def test_killed_amid_saving_all_heads_go_on_from_the_same_step(recipe, tmp_path, heads):
    flags = [*recipe, "--seed", "1,2,3,4"]
    flags[flags.index("--epochs") + 1] = 6
    bv.run("bv_train", *flags, "--output", tmp_path / "whole", ranks=2)
    for attempt in range(3):
        run = tmp_path / f"run-{attempt}"
        assert killed_amid_saving(flags, run, heads)
        again = bv.run("bv_train", *flags, "--output", run, ranks=2)
        assert "heads: 16, groups of similar heads: 2" in again.stderr, again.stderr
        assert heads == 0 or "resumed after" in again.stderr
        assert results(run) == results(tmp_path / "whole")
        assert not states(run) and not list(run.glob("states-*")) and not list(run.rglob("*.partial"))


def test_no_rank_but_rank_0_needs_the_output_folder(recipe, undisturbed, tmp_path):
    """Each rank works in a folder of its own."""
    output = tmp_path / "0" / "run"
    process = start(recipe, output, "--resume-every", 0)
    wait_for_epochs(process, output, 8)
    bv.tell_to_stop(process)
    process.communicate(timeout=60)
    own = 'mkdir -p $OMPI_COMM_WORLD_RANK && cd $OMPI_COMM_WORLD_RANK && exec "$@" --output run'
    again = bv.run_command([*bv.mpirun(2), "sh", "-c", own, "sh", bv.BIN / "bv_train", *recipe], cwd=tmp_path)
    assert "resumed after" in again.stderr
    assert_same_results(output, undisturbed)
    assert not list((tmp_path / "1").iterdir())


def test_a_full_disk_is_reported_and_costs_nothing_that_was_saved(recipe, undisturbed, mounted):
    small_file_system = mounted("tmpfs", 8)
    output = small_file_system / "run"
    process = start(recipe, output, "--resume-every", 0)
    wait_for_epochs(process, output, 8)
    bv.tell_to_stop(process)
    process.communicate(timeout=60)
    before = {path: bv.digest(path) for path in output.rglob("step-*/*")}
    assert len(before) == 4 * 2
    ballast = small_file_system / "ballast"
    with open(ballast, "wb", buffering=0) as file:  # leaves half of what the states take
        try:
            while True:
                file.write(bytes(4 << 10))
        except OSError:
            file.truncate(file.tell() - sum(map(len, before.values())) // 2)
    full = bv.run("bv_train", *recipe, "--output", output, "--resume-every", 0.0005, ranks=2, check=False)
    errors = bv.error_lines(full.stderr)
    assert full.rc == 2 and len(errors) == 1, full.stderr
    assert str(output) in errors[0] and "No space left on device" in errors[0]
    assert {path: bv.digest(path) for path in before} == before
    ballast.unlink()
    bv.run("bv_train", *recipe, "--output", output, ranks=2)
    assert_same_results(output, undisturbed)


@pytest.mark.parametrize("precision, other", [("float32", "bfloat16"), ("bfloat16", "float32")])
def test_heads_go_on_over_states_of_the_precision_they_began_with(recipe, corpus, tiny_model, tmp_path, precision, other):
    """The precision stays, whichever one the second machine would choose: this machine would choose one of the two."""
    for split in ("train", "dev"):
        bv.run("bv_prepare", "--squad", corpus / f"{split}.json", "--model", tiny_model, "--output", tmp_path / f"{split}.h5",
               "--limit", 8)
    flags = ["--checkpoint", tiny_model, "--features", tmp_path / "train.h5", "--dev-features", tmp_path / "dev.h5",
             *recipe[recipe.index("--heads"):]]
    output = tmp_path / "heads"
    process = start([*flags, "--precision", precision], output, "--resume-every", 0)
    wait_for_epochs(process, output, 4)
    bv.tell_to_stop(process)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 85, text
    refused = bv.run("bv_train", *flags, "--output", output, "--precision", other, ranks=2, check=False)
    assert refused.rc == 2 and f'precision "{precision}" there, "{other}" here' in bv.error_lines(refused.stderr)[0]
    done = bv.run("bv_train", *flags, "--output", output, ranks=2)
    assert f"precision: {precision} (as the earlier run recorded)" in done.stderr and "resumed after" in done.stderr
    assert {bv.read_json(path)["precision"] for path in output.rglob("recipe.json")} == {precision}
    again = bv.run("bv_train", *flags, "--output", output)
    assert again.stderr.count("trained already") == 4


@pytest.mark.parametrize("epochs", [30, 130])
def test_shares_and_probes_of_layers_go_on_with_the_same_bits(recipe, tmp_path, epochs):
    flags = [*recipe, "--share", "0.5,1"]
    flags[flags.index("--heads") + 1] = "learned_pooling,span_probe"
    flags[flags.index("--learning-rate") + 1] = "1e-2"
    bv.run("bv_train", *flags, "--output", tmp_path / "whole", ranks=2)
    process = start(flags, tmp_path / "cut", "--resume-every", 0)
    wait_for_epochs(process, tmp_path / "cut", epochs)  # of 4 heads: in the pass of the half, and in that of the whole
    bv.tell_to_stop(process)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 85, text
    assert len(list((tmp_path / "cut").rglob("metrics.json"))) == (4 if epochs > 80 else 0)
    bv.run("bv_train", *flags, "--output", tmp_path / "cut", ranks=2)
    assert results(tmp_path / "cut") == results(tmp_path / "whole")
    assert len(results(tmp_path / "whole")) == 2 * 4 * 6
