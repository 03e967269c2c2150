"""The stages of a study, as launch/debug.sh and the jobs of slurm/ run them: experiments are made once, and only what is
missing is made again."""

import json
import re
import shutil
import sys
import tomllib
from pathlib import Path

import bv
import pytest
from small_study import SCRIPT, Study
from synthetic_run import page_of


def heads_of(first, second, probe):
    """Every head of a task, by place."""
    variants = {first: ("", "-share-0.5", "-layers-0,2"), second: ("", "-share-0.5", "-layers-0,2"),
                probe: ("-layer-00", "-layer-01", "-layer-02")}
    return [f"{head}/epoch-{epoch}/lr-0.001-seed-1{variant}" for epoch in ("0.5", "1") for head in variants
            for variant in variants[head]]


def evaluations_of(first, second, trivial):
    """Every evaluation of a task, by place."""
    ensembles = (f"{first}+BERT", f"{second}+{first}")
    return ["epoch-0.5", "epoch-1", *trivial, *(f"mixed/{head}/epoch-0.5-on-1/lr-0.001-seed-1" for head in (first, second)),
            *(f"ensembles/{models}/epoch-{epoch}/lr-0.001-seed-1-{how}" for models in ensembles for epoch in ("0.5", "1")
              for how in ("max", "mean"))]


HEADS = {"span": heads_of("learned_pooling", "average_pooling", "span_probe"),
         "classification": heads_of("tenney_small", "adapter_pooler_mean", "classification_probe")}
EVALUATIONS = {"span": evaluations_of("learned_pooling", "average_pooling", ["never-none"]),
               "classification": evaluations_of("tenney_small", "adapter_pooler_mean", [])}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_model):
    study = Study(tmp_path_factory.mktemp("study"), tiny_model)
    study.make()
    study.make("report")
    return study


@pytest.fixture
def study(finished, tmp_path, tiny_model):
    """A copy of a finished study."""
    copy = Study(tmp_path, tiny_model)
    shutil.copytree(finished.run, copy.run)
    return copy


def require_experiments(study, task, page):
    assert sorted(study.made("heads", task)) == sorted(HEADS[task])
    assert sorted(study.made("evaluations", task)) == sorted(EVALUATIONS[task])
    for title in ("Heads on states of another checkpoint", "Less data", "Ensembles", "Layer ablation", "Learned layer weights",
                  "Layer atlas"):
        assert f">{title}</h4>" in page, title


def test_a_model_that_does_not_fit_the_study_does_not_become_the_runs(tiny_model, tmp_path):
    study = Study(tmp_path, tmp_path / "nope", change=('"0,2"', '"0,3"'))
    check = SCRIPT.replace("read_study\n", "read_study\ncheck_inputs\nexit 0\n")

    def made(model):
        return bv.run_command(["bash", "-c", check, "study", "--config", study.config, "--model", model, "--run", study.run],
                              check=False, cwd=bv.SOURCE,
                              env={"BV_BIN": str(bv.BIN), "BV_PYTHON": sys.executable, "SLURM_JOB_ID": ""})

    for model, why in ((tmp_path / "nope", "nope"), (tiny_model, "the layers 0,3 are wanted")):
        refused = made(model)
        (error,) = bv.error_lines(refused.stderr)
        assert refused.rc == 2 and why in error and not study.run.exists()
    study.config.write_text(study.config.read_text().replace('"0,3"', '"0,2"'))
    assert made(tiny_model).rc == 0 and (study.run / "inputs.txt").exists()
    assert "was made from other inputs" in made(tmp_path / "nope").stderr


def test_every_experiment_is_made_and_shown(finished):
    page = (finished.run / "report" / "index.html").read_text()
    require_experiments(finished, "span", page)
    mixed = bv.read_json(finished.seed / "evaluations/mixed/learned_pooling/epoch-0.5-on-1/lr-0.001-seed-1/metrics.json")
    assert (mixed["epoch"], mixed["dev_epoch"], mixed["other_checkpoint"]) == ("1/2", "1", True)
    assert ">Second-best answers</h4>" in page


def test_every_experiment_of_classification_is_made_and_shown(tmp_path, tiny_model):
    study = Study(tmp_path, tiny_model, tasks='["classification"]')
    study.make()
    require_experiments(study, "classification", page_of(study.run))
    assert all(line.startswith("== made:") for line in study.make("extract", "train", "eval").stdout.splitlines())


def test_what_is_made_is_left_alone_and_what_is_missing_is_made(study):
    heads, evaluations = study.made("heads"), study.made("evaluations")
    assert all(line.startswith("== made:") for line in study.make("extract", "train", "eval").stdout.splitlines())
    assert (study.made("heads"), study.made("evaluations")) == (heads, evaluations)
    missing = ["average_pooling/epoch-1/lr-0.001-seed-1-share-0.5", "span_probe/epoch-0.5/lr-0.001-seed-1-layer-01"]
    compared = "ensembles/learned_pooling+BERT/epoch-1/lr-0.001-seed-1-mean"
    for place in missing:
        shutil.rmtree(study.seed / "heads" / place)
    (study.seed / "evaluations" / compared / "metrics.json").unlink()
    said = [line for line in study.make("train", "eval").stdout.splitlines() if not line.startswith("== made:")]
    assert said == ["== span heads of seed 1 at epoch 0.5: span_probe", "== span heads of seed 1 at epoch 1: average_pooling (--share 0.5)",
                    f"== {study.seed / 'evaluations' / compared}"]
    again = study.made("heads")
    assert sorted(place for place, when in again.items() if when != heads.get(place)) == sorted(missing)
    assert study.made("evaluations").keys() == evaluations.keys()


def with_tables(study, **tables):
    """Writes keys and values into tables of the study's file, in the place of earlier ones."""
    lines = study.config.read_text().partition("[finetune]")[0]
    tables["finetune"] = {"checkpoints": "0.5,1", "batch": 8} | tables.get("finetune", {})
    for name, table in tables.items():
        lines += f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
    study.config.write_text(lines)


def test_a_study_is_refused_if_its_settings_are_not_those_of_its_results(study):
    head = study.seed / "heads/learned_pooling/epoch-0.5/lr-0.001-seed-1"
    same = {}
    of_tuning = ("batch", "optimizer", "learning_rate", "epsilon", "epsilon_kind", "weight_decay", "schedule", "warm_up", "clip", "loss",
                 "no_dropout", "precision")
    for table, place, keys in (("finetune", study.seed, of_tuning), ("train", head, ("batch", "epochs", "held_out"))):
        recipe = bv.read_json(place / "resume" / "recipe.json")
        same[table] = {key: recipe[key] for key in keys}
    features, store = study.run / "features/train.h5", study.seed / "stores/epoch-0.5-train.h5"
    for table, place, keys in (("prepare", features, ("max_tokens", "stride", "label_rule", "limit", "seed", "unfound")),
                               ("extract", store, ("dtype", "layers"))):
        flags = tomllib.loads(Path(f"{place}.toml").read_text())[table]
        same[table] = {key: flags[key] for key in keys}
    with_tables(study, **same)
    assert all(line.startswith("== made:") for line in study.make("prepare", "finetune", "extract", "train").stdout.splitlines())
    for table, place, key, value in (("prepare", features, "limit", 7), ("finetune", study.seed, "learning_rate", 0.25),
                                     ("finetune", study.seed, "no_dropout", True), ("extract", store, "dtype", "float32"),
                                     ("train", head, "epochs", 7)):
        with_tables(study, **{table: same[table] | {key: value}})
        refused = study.make("eval", table, check=False)
        (error,) = bv.error_lines(refused.stderr)
        assert refused.rc == 2 and not refused.stdout
        assert f"{place}" in error and f"made with {key} {same[table][key]}, but {study.config} has {key} {value} in [{table}]" in error
    assert study.make("eval").rc == 0  # this stage does not depend on it


def test_never_none_is_scored_from_the_checkpoint_that_was_made_last(study):
    def add(epoch):
        for folder in ("checkpoints", "evaluations"):
            shutil.copytree(study.seed / folder / "epoch-1", study.seed / folder / f"epoch-{epoch}")

    def source(checkpoints):
        study.config.write_text(re.sub("checkpoints = .*", f'checkpoints = "{checkpoints}"', study.config.read_text()))
        study.make("eval")
        (logits,) = bv.read_json(study.seed / "evaluations/never-none/metrics.json")["logits"]
        return logits["path"].removeprefix(f"{study.seed}/evaluations/")

    add("1_3")  # a third of an epoch; as a word it comes after epoch-1
    shutil.rmtree(study.seed / "evaluations" / "never-none")
    assert source("1/3,0.5,1") == "epoch-1/logits.safetensors"
    add("4_3")
    assert source("1/3,0.5,1,4/3") == "epoch-4_3/logits.safetensors"


def test_a_study_that_keeps_no_stores_makes_the_same(tmp_path, tiny_model, finished):
    study = Study(tmp_path, tiny_model, keep_stores="false")
    study.make()
    assert not list(study.seed.glob("stores/*"))
    assert sorted(study.made("heads")) == sorted(HEADS["span"])
    assert sorted(study.made("evaluations")) == sorted(EVALUATIONS["span"])
    assert all(line.startswith("== made:") for line in study.make("extract_and_train", "eval").stdout.splitlines())


def test_thresholds_are_chosen_on_held_out_questions_where_there_are_some(tmp_path, tiny_model):
    study = Study(tmp_path, tiny_model, change=("corpus_train = 24", "corpus_train = 48\nhold_out = 0.3"))
    study.make("prepare")
    (study.run / "features" / "train.h5").unlink()  # as after a kill between the two files
    study.make("prepare", "finetune", "extract", "train", "eval")
    for path in study.seed.glob("heads/*/epoch-1/*/metrics.json"):
        held = bv.read_json(path)
        assert held["held_out_store"]["path"] == str(study.seed / "stores" / "epoch-1-held-out.h5")
        assert held["held_out"]["official"]["total"] > 0
    assert len(study.made("heads")) == len(HEADS["span"])
    chosen = study.seed / "evaluations" / "held-out-threshold"
    for epoch in ("epoch-0.5", "epoch-1"):
        folders = (study.seed / "held-out", study.seed / "evaluations", chosen)
        held, given, dev = (bv.read_json(folder / epoch / "metrics.json") for folder in folders)
        assert held["checkpoint"]["fingerprint"] == given["checkpoint"]["fingerprint"]
        assert dev["features"] == given["features"] != held["features"]
        assert dev["answers"]["threshold_from"]["path"] == str(study.seed / "held-out" / epoch / "metrics.json")
        assert given["answers"]["null_threshold"] == 0
    again = study.make("eval").stdout
    assert all(line.startswith(("== made:", "== left out")) for line in again.splitlines())
    # A run whose heads were trained without held-out questions goes on without them.
    head = study.seed / "heads" / "learned_pooling" / "epoch-1" / "lr-0.001-seed-1"
    shutil.rmtree(head)
    other = study.seed / "heads" / "average_pooling" / "epoch-1" / "lr-0.001-seed-1" / "head.json"
    older = other.read_text()
    other.write_text(re.sub('"held_out_features": ?"[0-9a-f]+"', '"held_out_features": ""', older))
    assert other.read_text() != older
    study.make("extract", "train")
    assert "held_out" not in bv.read_json(head / "metrics.json")
    # So does a run that has no held-out features.
    other.write_text(older)
    shutil.rmtree(head)
    (study.run / "features" / "held-out.h5").unlink()
    shutil.rmtree(chosen)
    assert study.make("extract", "train", "eval").rc == 0 and not chosen.exists()
    assert "held_out" not in bv.read_json(head / "metrics.json")


def test_a_training_cut_short_goes_on_and_is_not_forced(study, tmp_path):
    programs = tmp_path / "programs"
    programs.mkdir()
    for program in bv.BIN.glob("bv_*"):
        (programs / program.name).symlink_to(program)
    (programs / "bv_train").unlink()
    (programs / "bv_train").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/words\nexit 85\n')
    (programs / "bv_train").chmod(0o755)
    (study.seed / "heads/learned_pooling/epoch-1/lr-0.001-seed-1/metrics.json").unlink()
    for flags in ([], ["--force"]):
        stopped = study.make(*flags, "train", check=False, env={"BV_BIN": str(programs)})
        assert stopped.rc == 85, stopped.stderr
    words = (tmp_path / "words").read_text().splitlines()
    assert len(words) == 2 and "--force" not in words[0] and "--force" in words[1].split()
    assert "--heads learned_pooling " in words[0] and "--heads learned_pooling,average_pooling,span_probe " in words[1]


def test_heads_that_are_not_trained_are_left_out_of_comparisons(study):
    shutil.rmtree(study.seed / "heads" / "average_pooling" / "epoch-0.5")
    shutil.rmtree(study.seed / "evaluations")
    said = study.make("eval").stdout
    assert said.count("== left out, because ") == 3  # mixed, and one ensemble by maximum and by mean
    assert sorted(study.made("evaluations")) == [place for place in sorted(EVALUATIONS["span"])
                                                 if not ("average_pooling" in place and "epoch-0.5" in place)]


def test_a_head_that_diverged_is_made_and_no_comparison_waits_for_it(study):
    head = study.seed / "heads/average_pooling/epoch-0.5/lr-0.001-seed-1"
    for name in ("head.json", "head.safetensors", "logits.safetensors"):
        (head / name).unlink()
    (head / "metrics.json").write_text(json.dumps({**bv.read_json(head / "metrics.json"), "diverged": {"epoch": 1, "step": 2}}))
    shutil.rmtree(study.seed / "evaluations")
    said = study.make("train", "eval", "report").stdout
    assert "left out" not in said and "made: span heads of seed 1 at epoch 0.5" in said
    assert sorted(study.made("evaluations")) == [place for place in sorted(EVALUATIONS["span"])
                                                 if not ("average_pooling" in place and "epoch-0.5" in place)]
    assert "diverged in epoch 1, by step 2" in (study.run / "report" / "index.html").read_text()


@pytest.mark.parametrize("change, line, words", [
    (("shares = [0.5, 1]", "shares = [0.5, 1.5]"), 10, "[study] shares: found 1.5, expected a number above 0 and at most 1"),
    (("corpus_dev = 12", 'corpus_dev = "12"'), 4, "[study] corpus_dev must be a whole number; found: string"),
    (('mixed = ["0.5:1"]', 'mixed = ["0.4:1"]'), 13, "[study] mixed: '0.4:1': epoch 2/5 is not one of states_at"),
    (("learned_pooling+BERT", "learned_poling+BERT"), 14,
     "[study] span_ensembles: 'learned_poling' is neither BERT nor a head of the study that reads all layers; "
     "the nearest one is 'learned_pooling'"),
    (("layer_atlas", "layer_atlass"), 12, "unknown key 'layer_atlass' in [study]; the nearest known one is 'layer_atlas'"),
    (("batch", "bach"), 18, "unknown key 'bach' in [finetune]; the nearest known one is 'batch'"),
])
def test_mistakes_in_the_study_are_one_line_that_names_theirs(tmp_path, tiny_model, change, line, words):
    study = Study(tmp_path, tiny_model, change=change)
    refused = study.make(check=False)
    assert (refused.rc, refused.stderr) == (2, f"error: {study.config}:{line}: {words}\n")
    assert not study.run.exists()
