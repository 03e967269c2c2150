"""What is made of a study, and what is missing: the functions of launch/made.sh on results that only look like these."""

import json
import re
import shutil
from pathlib import Path

import bv
import pytest
from small_study import Study


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
            f"error: study: {place}, and 1 more: {said.format(config=study.config)}") and "--force of launch/debug.sh" in found[0][0]
    assert study.said("force=1; check_settings train") == study.said("check_settings eval") == []
