"""What is made of a study, and what is missing: the functions of launch/made.sh on results that only look like these."""

import json
import re
import runpy
import shutil
from pathlib import Path

import bv
import pytest
from small_study import Study, pretend_tuning


def test_controls_are_one_more_training_of_the_heads_and_the_probes_that_lack_them(tmp_path, tiny_model):
    study = Study(tmp_path, tiny_model, change=("layer_atlas = true", "layer_atlas = true\nshuffled_labels = true"))
    heads, probe = ["learned_pooling", "average_pooling"], "span_probe"
    others = [(",".join(heads), "--share 0.5"), (",".join(heads), "--layers 0,2")]
    every = ",".join([*heads, probe])
    assert study.missing() == [(every,), (every, "--shuffle-labels"), *others]

    def train(variant):
        study.pretend(*(f"{head}/lr-0.001-seed-1{variant}" for head in heads),
                      *(f"{probe}/lr-0.001-seed-1-layer-{layer:02}{variant}" for layer in range(3)))

    train("-shuffled-labels")
    assert study.missing() == [(every,), *others]  # a control is not the head itself
    (study.seed / "heads" / probe / "epoch-1/lr-0.001-seed-1-layer-01-shuffled-labels/metrics.json").unlink()
    train("")
    assert study.missing() == [(probe, "--shuffle-labels"), *others]


def test_a_head_is_made_when_it_is_trained_with_each_learning_rate(tmp_path, tiny_model):
    study = Study(tmp_path, tiny_model, change=("[finetune]", '[train]\nlearning_rate = "1e-3,1e-4"\n[finetune]'))
    heads = ["learned_pooling", "average_pooling"]

    def train(rate):
        study.pretend(*(f"{head}/lr-{rate}-seed-1{variant}" for head in heads for variant in ("", "-share-0.5", "-layers-0,2")),
                      *(f"span_probe/lr-{rate}-seed-1-layer-{layer:02}" for layer in range(3)))

    every = study.missing()
    assert [len(names.split(",")) for names, *_ in every] == [3, 2, 2]
    train("0.001")
    assert study.missing() == every
    train("0.0001")
    assert study.missing() == []
    wanted = [words[0] for words in study.said("wanted_results")]
    for place in ("heads/learned_pooling/epoch-1/", "heads/span_probe/epoch-0.5/", "evaluations/mixed/average_pooling/epoch-0.5-on-1/",
                  "evaluations/ensembles/learned_pooling+BERT/epoch-1/"):
        rates = [re.search("/lr-(.*?)-", path)[1] for path in wanted if path.startswith(f"span/seed-1/{place}")]
        assert set(rates) == {"0.001", "0.0001"} and rates.count("0.001") == rates.count("0.0001")


def test_a_head_of_each_layer_is_made_when_all_layers_have_one(tmp_path, tiny_model):
    """As a built-in head and as a file. The choices of layers add nothing to it."""
    study = Study(tmp_path / "[1]", tiny_model)
    mine = tmp_path / "mine.toml"
    mine.write_text((bv.SOURCE / "configs/heads/span_probe.toml").read_text())
    study.config.write_text(re.sub("span_heads = .*", f'span_heads = ["span_probe", "{mine}"]', re.sub(
        "span_ensembles = .*", "", study.config.read_text())))
    both = f"span_probe,{mine}"
    assert study.missing() == [(both,), (both, "--share 0.5")]
    for variant in ("", "-share-0.5"):
        study.pretend(*(f"{head}/lr-0.001-seed-1-layer-{layer:02}{variant}" for head in ("span_probe", "mine") for layer in range(3)))
    assert study.missing() == []
    compared = [words[1].removeprefix(f"{study.seed}/evaluations/mixed/") for words in study.said('epochs=(0.5); comparisons span 1')]
    assert compared == [f"{head}/epoch-0.5-on-1/lr-0.001-seed-1-layer-[0-9][0-9]" for head in ("span_probe", "mine")]
    assert {words[1] for words in study.said("wanted_results") if "-layer-" in words[0]} == {"3"}
    shutil.copytree(study.seed / "heads/mine/epoch-1", study.seed / "heads/mine/epoch-0.5")
    compared = [words[1] for words in study.said('epochs=(0.5); comparisons span 1')][1:]
    assert compared == [f"{study.seed}/evaluations/mixed/mine/epoch-0.5-on-1/lr-0.001-seed-1-layer-{layer:02}" for layer in range(3)]
    for place in compared:
        Path(place).mkdir(parents=True)
        (Path(place) / "metrics.json").write_text("{}")
    study.config.write_text(study.config.read_text().replace('span_heads = ["span_probe", ', "span_heads = ["))
    scored = "epochs=(0.5); ! compared span 1 || echo scored"
    assert study.said(scored) == [("scored",)]
    shutil.rmtree(study.seed / "heads/mine/epoch-0.5/lr-0.001-seed-1-layer-01")
    assert [words[1] for words in study.said("epochs=(0.5); comparisons span 1")] == [
        f"{study.seed}/evaluations/mixed/mine/epoch-0.5-on-1/lr-0.001-seed-1-layer-{layer}" for layer in ("00", "02", "[0-9][0-9]")]
    assert study.said(scored) == []  # the head of layer 1 will be trained, and then compared
    study.config.write_text(study.config.read_text().replace("layer_atlas = true", ""))
    shutil.rmtree(study.seed / "checkpoints")  # the number of layers is that of the model
    shutil.rmtree(study.seed / "heads/mine/epoch-1/lr-0.001-seed-1-layer-01")
    assert study.missing() == [(str(mine),)]


def test_the_number_of_layers_is_that_of_the_runs_model_not_of_the_model_that_a_job_is_given(tmp_path, tiny_model):
    """Jobs that read stores need no --model. Here it has a layer less than the run's, so the probe of the last one seems made."""
    study = Study(tmp_path, tmp_path / "default", change=("span_ensembles = ", "# "))
    study.config.write_text(re.sub("span_heads = .*", 'span_heads = ["span_probe"]', study.config.read_text()))

    def model(place, states):
        place.mkdir(parents=True, exist_ok=True)
        (place / "config.json").write_text(json.dumps(bv.read_json(tiny_model / "config.json") | {"num_hidden_layers": states - 1}))

    model(study.model, 2)
    study.pretend(*(f"span_probe/lr-0.001-seed-1-layer-{layer:02}{variant}" for layer in range(2) for variant in ("", "-share-0.5")))
    shutil.rmtree(study.seed / "checkpoints")
    lacking = [("span_probe",), ("span_probe", "--share 0.5")]
    assert study.missing() == []
    (study.run / "inputs.txt").write_text(f"squad the embedded corpus\nmodel {tmp_path}/recorded\n")
    model(tmp_path / "recorded", 3)
    assert study.missing() == lacking
    model(tmp_path / "recorded", 2)
    model(study.run / "classification/seed-2/checkpoints/epoch-0.5", 3)
    assert study.missing() == lacking
    assert {words[1] for words in study.said("wanted_results") if "-layer-" in words[0]} == {"3"}
    model(study.seed / "checkpoints/epoch-1", 2)
    assert study.missing() == []
    shutil.rmtree(study.run / "classification")
    for place in (study.model, study.run / "inputs.txt", study.seed / "checkpoints"):
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    assert "the number of hidden states is unknown: neither" in study.said("(missing_trainings span 1 1) 2>&1 || true")[0][0]


def test_stores_stay_while_a_layer_of_the_runs_model_lacks_its_head(tmp_path, tiny_model):
    study = Study(tmp_path, tiny_model, keep_stores="false", change=("span_ensembles = ", "# "))
    study.config.write_text(re.sub("span_heads = .*", 'span_heads = ["span_probe"]', study.config.read_text()))
    study.pretend(*(f"span_probe/lr-0.001-seed-1-layer-{layer:02}{variant}" for layer in range(2) for variant in ("", "-share-0.5")))
    study.model = tmp_path / "default"
    study.model.mkdir()
    (study.model / "config.json").write_text(json.dumps(bv.read_json(tiny_model / "config.json") | {"num_hidden_layers": 1}))
    store = study.seed / "stores" / "epoch-1-train.h5"
    store.parent.mkdir()
    store.touch()
    failed = study.make("--epoch", "1", "train", check=False)
    assert failed.rc != 0 and "span_probe" in failed.stdout and store.exists()


def test_a_fine_tuning_is_made_when_it_has_each_checkpoint_or_has_stopped_early(tmp_path, tiny_model):
    study = Study(tmp_path, tiny_model)
    log = study.seed / "metrics" / "finetune.jsonl"
    log.parent.mkdir(parents=True)

    def made(*checkpoints, last='"done":true'):
        for epoch in checkpoints:
            (study.seed / "checkpoints" / f"epoch-{epoch}").mkdir(parents=True)
            (study.seed / "checkpoints" / f"epoch-{epoch}" / "checkpoint.json").write_text("{}")
        log.write_text(f'{{"loss":1,"step":1}}\n{{{last}}}\n')
        return study.said('! finished_tuning "$run/span/seed-1" || echo made') == [("made",)]

    assert not made("0.5")
    assert made(last='"done":true,"stopped_early":true')
    assert not made("1", last='"loss":1,"step":2')
    assert made(last='"done":true,"stopped_early":false')


def test_a_fine_tuning_that_stopped_early_goes_on_if_the_study_has_more_patience(tmp_path, tiny_model):
    study = Study(tmp_path, tiny_model)
    (study.seed / "metrics").mkdir(parents=True)
    (study.seed / "metrics" / "finetune.jsonl").write_text('{"done":true,"stopped_early":true}\n')
    (study.seed / "finetune.toml").write_text("[finetune]\npatience = 2\n")
    text = study.config.read_text()

    def made(patience):
        study.config.write_text(text.replace("[finetune]", f"[finetune]\npatience = {patience}" if patience is not None else "[finetune]"))
        return study.said('! finished_tuning "$run/span/seed-1" || echo made') == [("made",)]

    assert [made(patience) for patience in (1, 2, 3, 0, None)] == [True, True, False, False, False]


@pytest.mark.parametrize("there, here, said", [
    ("", "", ""),
    ("epochs = 10", "epochs = 10.0", ""),
    ("epochs = 0", "epochs = 10", ""),  # the default, which the recipe names
    ("epochs = 10", "epochs = 12", "made with epochs 10, but {config} has epochs 12 in [train]"),
    ("epochs = 10", 'epochs = "12"', "made with epochs 10, but {config} has epochs 12 in [train]"),
    ("batch = 8", "batch = 16\nepochs = 3", "made with batch 8, epochs 10, but {config} has batch 16, epochs 3 in [train]"),
    ("patience = 2", "patience = 3", "made with patience 2, but {config} has patience 3 in [train]"),
    ("patience = 2", "", "made with patience 2, but {config} has patience 0 in [train]"),
    ("data_seed = 1", "data_seed = 2", "made with data_seed"),
    ("threads = 2", "threads = 4\nmemory_gib = 3", ""),
    ('precision = "float32"', 'precision = "bfloat16"', ""),
    ("batch = 16", "batch = 8", "made with batch 16, but {config} has batch 8 in [train]"),  # one of two records differs
    ("batch = 16", "batch = 16", "made with batch 8, but {config} has batch 16 in [train]"),
])
def test_a_changed_setting_of_a_trained_head_is_an_error(tmp_path, tiny_model, there, here, said):
    study = Study(tmp_path, tiny_model)
    study.config.write_text(f"{study.config.read_text()}[train]\n{here}\n")
    study.pretend("learned_pooling/lr-0.001-seed-1", "average_pooling/lr-0.001-seed-1-share-0.5", "attention/lr-0.001-seed-1")
    for folder in (study.seed / "heads").glob("*/*/*"):
        (folder / "config.toml").write_text(f"[train]\n{there}\n")
        recipe = {"epochs": 10, "batch": 8, "held_out": 0, "order": "0f", "precision": "float32"} | ({"patience": 2} if "patience" in there else {})
        (folder / "resume").mkdir()
        (folder / "resume" / "recipe.json").write_text(json.dumps(recipe))
    found = study.said("(check_settings train) 2>&1 || true")
    place = study.seed / "heads/learned_pooling/epoch-1/lr-0.001-seed-1"
    if not said:
        assert found == []
    else:
        assert len(found) == 1 and found[0][0].startswith(
            f"error: study: {place}, and 1 more: {said.format(config=study.config)}") and found[0][0].endswith(
                "; make it and the results of all later stages again: launch/debug.sh train eval report --force, or submit the jobs train.sh, "
                "evaluate.sh, report.sh of slurm/ in this order, each with --force (--task and --seed choose the results; slurm/study.sh has "
                "no --force); or name another folder by --run")
    assert study.said("force=1; check_settings train") == study.said("check_settings eval") == []


def features(study, split, **settings):
    """Makes a place look like that of a features file with these settings; returns it."""
    place = study.run / "features" / f"{split}.h5"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch()
    Path(f"{place}.toml").write_text("[prepare]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))
    return place


def refusal(study, stage, tables):
    """What check_settings says of a stage if the study has these lines in its tables; nothing if all is well."""
    text = study.config.read_text()
    changed = text
    for table, line in tables.items():
        changed = changed.replace(f"[{table}]\n", f"[{table}]\n{line}\n") if f"[{table}]" in text else f"{changed}[{table}]\n{line}\n"
    study.config.write_text(changed)
    said = study.said(f"(check_settings {stage}) 2>&1 || true")
    study.config.write_text(text)
    return said[0][0] if said else ""


def test_the_training_features_depend_on_unfound_answers_and_on_the_held_out_share(tmp_path, tiny_model):
    study = Study(tmp_path, tiny_model)
    train = features(study, "train", unfound="skip", hold_out=0.2, stride=128)
    features(study, "dev", unfound="keep", hold_out=0.0, stride=128)
    assert refusal(study, "prepare", {"prepare": 'unfound = "skip"', "study": "hold_out = 0.2"}) == ""
    assert refusal(study, "prepare", {"prepare": 'unfound = "keep"'}).startswith(
        f"error: study: {train}: made with unfound skip, but {study.config} has unfound keep in [prepare]; ")
    assert refusal(study, "prepare", {"prepare": 'unfound = "keep"\nstride = 64', "study": "hold_out = 0.1"}).startswith(
        f"error: study: {train}, and 1 more: made with unfound skip, stride 128, hold_out 0.2, but {study.config} has unfound keep, stride 64 in "
        "[prepare], hold_out 0.1 in [study]; ")
    assert refusal(study, "prepare", {"study": "hold_out = 0.1"}).startswith(f"error: study: {train}: made with hold_out 0.2, but ")


def test_the_settings_of_a_file_that_was_removed_are_no_matter(tmp_path, tiny_model):
    study = Study(tmp_path, tiny_model)
    train, store = features(study, "train", stride=128), study.seed / "stores" / "epoch-1-dev.h5"
    store.parent.mkdir(parents=True)
    store.touch()
    Path(f"{store}.toml").write_text('[extract]\ndtype = "float16"\n')
    for file, stage, line in ((train, "prepare", "stride = 64"), (store, "extract", 'dtype = "float32"')):
        assert f"{file}: made with" in refusal(study, stage, {stage: line})
        file.unlink()
        assert refusal(study, stage, {stage: line}) == ""


@pytest.mark.parametrize("there, here, equal", [
    ([0.0001, 0.0003], "1e-4,3e-4", True),
    ("4, 5", "4,5", True),
    ([4, 5], "4, 5", True),
    (True, "true", True),
    ("false", False, True),
    (["4,5", 6], [4, 5, "6.0"], True),
    ([0.0001, 0.0003], "1e-4", False),
    ("4,5", "5,4", False),
    (True, False, False),
    (True, 1, False),
    ("", "4", False),
])
def test_settings_are_the_same_item_by_item(there, here, equal):
    same = runpy.run_path(str(bv.SOURCE / "launch" / "settings.py"))["same"]
    assert same(there, here) == same(here, there) == equal


@pytest.mark.parametrize("file, text", [("finetune.toml", "[finetune"), ("resume/recipe.json", "{1}"), ("finetune.toml", "\udcff")])
def test_a_damaged_record_is_named(tmp_path, tiny_model, file, text):
    study = Study(tmp_path, tiny_model)
    pretend_tuning(study.seed, batch=8)
    shutil.copytree(study.seed / "checkpoints/epoch-1", study.seed / "checkpoints/epoch-0.5")
    (study.seed / file).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert refusal(study, "finetune", {}).startswith(f"error: launch/settings.py: {study.seed / file}: ")
