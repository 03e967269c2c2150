"""bv_plan: what a study takes is what its files then take."""

import contextlib
import os
import subprocess

import bv
import pytest

STUDY = """
[study]
seeds = [1, 2]
tasks = ["span"]
states_at = ["1"]
[finetune]
checkpoints = "0,1"
batch = 4
[extract]
dtype = "bfloat16"
"""


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(STUDY)
    return path


@pytest.fixture(scope="module")
def features(corpus, model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    for split in ("train", "dev"):
        bv.run("bv_prepare", "--squad", corpus / f"{split}.json", "--model", model, "--output", folder / f"{split}.h5")
    return ["--features", folder / "train.h5", "--dev-features", folder / "dev.h5"]


def open_files(pid):
    names = []
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):  # it was closed meanwhile
            names.append(os.readlink(f"/proc/{pid}/fd/{number}"))
    return names


@pytest.mark.parametrize("dtype", ["bfloat16", "float8"])
def test_planned_bytes_are_those_of_the_files(study, tiny_model, features, tmp_path, dtype):
    study.write_text(STUDY.replace("bfloat16", dtype))
    plan = tmp_path / "plan.json"
    bv.run("bv_plan", "--config", study, "--model", tiny_model, *features, "--output", plan)
    planned = bv.read_json(plan)["tasks"]["span"]
    assert planned["checkpoints"] == 4 and planned["store_pairs"] == 2
    bv.run("bv_finetune", "--config", study, "--model", tiny_model, *features[:2], "--task", "span", "--checkpoints", 0,
           "--output", tmp_path / "run", "--device", "cpu", "--threads", 1, ranks=1)
    checkpoint = tmp_path / "run/checkpoints/epoch-0"
    assert (checkpoint / "model.safetensors").stat().st_size == pytest.approx(planned["checkpoint_bytes"], rel=0.01)
    bv.run("bv_extract", "--config", study, "--checkpoint", checkpoint, *features[:2], "--store", tmp_path / "store.h5",
           "--device", "cpu", "--threads", 1, ranks=1)
    shown = bv.run("bv_store", "info", tmp_path / "store.h5").stdout
    assert f"{planned['train_store_bytes'] / 1e6:.1f} MB" in shown if planned["train_store_bytes"] >= 1e6 else \
        f"{planned['train_store_bytes'] / 1e3:.1f} kB" in shown


def test_given_rates_give_times_and_a_verdict(study, tmp_path):
    rates = ["--ranks", 8, "--train-rate", 1000, "--encode-rate", 4000, "--read-rate", 100]
    slow_disk = bv.run("bv_plan", "--config", study, *rates, "--write-rate", 10, "--output", tmp_path / "slow.json").stdout
    assert "extraction (the disk is slower)" in slow_disk and "computing the states again" in slow_disk and "GPU hours" in slow_disk
    plan = bv.read_json(tmp_path / "slow.json")
    span = plan["tasks"]["span"]
    assert span["tuning_seconds"] == pytest.approx(131911 * 171 / 8000)
    assert span["extraction_seconds"] == pytest.approx((span["train_store_bytes"] + span["dev_store_bytes"]) / 10e6)
    assert plan["gpu_hours"] == pytest.approx(plan["seconds"] * 8 / 3600)
    held = tmp_path / "held.toml"
    held.write_text(study.read_text().replace("[study]", "[study]\nhold_out = 0.1", 1))
    shown = bv.run("bv_plan", "--config", held, *rates, "--write-rate", 10, "--output", tmp_path / "held.json").stdout
    part = bv.read_json(tmp_path / "held.json")["tasks"]["span"]
    held.write_text(held.read_text() + "[train]\nheld_out = 0.1\n")
    refused = bv.run("bv_plan", "--config", held, *rates, check=False)
    assert refused.rc == 2 and "leave out [train] held_out" in refused.stderr
    assert "stores of held-out states" in shown and "held-out" not in slow_disk
    assert part["held_out_store_bytes"] == pytest.approx(0.1 * span["train_store_bytes"], rel=1e-3)
    assert part["train_store_bytes"] + part["held_out_store_bytes"] == pytest.approx(span["train_store_bytes"], rel=1e-6)


def test_a_disk_that_is_too_small_to_be_measured_is_named(study, mounted):
    small = mounted("tmpfs", 20)
    result = bv.run("bv_plan", "--config", study, "--measure", "--folder", small, "--device", "cpu", check=False)
    (error,) = bv.error_lines(result.stderr)
    assert result.rc == 2 and str(small) in error and "No space left on device" in error
    assert not list(small.iterdir())


def test_a_kill_during_the_measurement_of_the_disk_leaves_no_file(study, tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    process = subprocess.Popen([bv.BIN / "bv_plan", "--config", study, "--measure", "--folder", place, "--device", "cpu"],
                               stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not any(str(place) in name for name in open_files(process.pid)):
        assert process.poll() is None
    process.kill()
    process.wait(timeout=60)
    assert not list(place.iterdir())


def test_measured_rates_are_of_this_machine(study, tiny_model, features, tmp_path):
    plan = tmp_path / "plan.json"
    bv.run("bv_plan", "--config", study, "--model", tiny_model, *features, "--measure", "--folder", tmp_path, "--device", "cpu",
           "--threads", 1, "--output", plan, ranks=2)
    span = bv.read_json(plan)["tasks"]["span"]
    assert all(span[f"{work}_seconds"] > 0 for work in ("tuning", "evaluation", "extraction", "heads_stored", "heads_recomputed"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plan.json", "study.toml"]


@pytest.mark.parametrize("ranks", [1, 2])
def test_mistakes_are_one_line(study, tmp_path, ranks):
    (tmp_path / "plan.json").write_text("{}")
    for flags, words in (([], ["--config"]), (["--config", tmp_path / "gone.toml"], ["gone.toml"]),
                         (["--config", study, "--features", "x.h5"], ["--dev-features"]),
                         (["--config", study, "--output", tmp_path / "plan.json"], ["plan.json", "--force"]),
                         (["--config", study, "--measure", "--folder", tmp_path / "nowhere"], ["nowhere"])):
        refused = bv.run("bv_plan", *flags, ranks=ranks, check=False)
        errors = bv.error_lines(refused.stderr)
        assert refused.rc == 2 and len(errors) == 1 and all(word in errors[0] for word in words), refused.stderr


def test_the_flags_plan_a_part_of_the_study_or_more(study, tmp_path):
    def planned(*flags):
        bv.run("bv_plan", "--config", study, "--output", tmp_path / "plan.json", "--force", *flags)
        return bv.read_json(tmp_path / "plan.json")
    whole = planned()
    task = planned("--task", "classification")
    assert list(task["tasks"]) == ["classification"] and task["bytes_kept"] < whole["bytes_kept"]
    seeds = planned("--seed", "7,8,9")["tasks"]["span"]
    assert seeds["checkpoints"] == 3 * planned("--seed", 7)["tasks"]["span"]["checkpoints"]
    for flags, words in ((["--task", "spam"], "'spam'"), (["--epoch", "7/9"], "--epoch: found 7/9"), (["--seed", 2**32], "4294967295"),
                         (["--seed", "1,1"], "--seed names 1 twice"), (["--task", "span,span"], "--task names span twice")):
        refused = bv.run("bv_plan", "--config", study, *flags, check=False)
        (error,) = bv.error_lines(refused.stderr)
        assert refused.rc == 2 and words in error


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_head_that_does_not_fit_the_model_is_one_line_before_any_measuring(tiny_model, tmp_path, ranks):
    """A convolution needs more states than the small model has."""
    head = tmp_path / "wide.toml"
    head.write_text('task = "span"\nblocks = [{ type = "adapter", width = 0 }, { type = "flatten" }, { type = "linear", width = 2 }]\n')
    study = tmp_path / "study.toml"
    study.write_text(f'[study]\ntasks = ["span"]\nstates_at = ["1"]\nspan_heads = ["{head}"]\n[finetune]\ncheckpoints = "1"\n')
    refused = bv.run("bv_plan", "--config", study, "--model", tiny_model, "--measure", ranks=ranks, check=False)
    assert refused.rc == 2 and len(bv.error_lines(refused.stderr)) == 1 and "measuring" not in refused.stderr


@pytest.mark.parametrize("config", sorted((bv.SOURCE / "configs").glob("*.toml")), ids=lambda path: path.stem)
def test_every_study_that_comes_along_can_be_planned(config):
    assert "on disk at the end" in bv.run("bv_plan", "--config", config).stdout
