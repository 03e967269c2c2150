"""bv_eval --serve and launch/ask.sh: the answers to typed questions are those of an evaluation."""

import json
import os
import signal
import subprocess
import sys

import bv
import h5py
import pytest

sys.path.insert(0, str(bv.SOURCE / "launch"))
import ask as program

HEADS = {"span": "learned_pooling,adapter_64_shared", "classification": "tenney_small"}
ALONE = ("--device", "cpu", "--threads", 1, "--precision", "float32")


@pytest.fixture(scope="module")
def run(tiny_model, corpus, tmp_path_factory):
    """A run with one checkpoint of each task, and heads over it."""
    folder = tmp_path_factory.mktemp("ask") / "a run, small"
    train, dev = (folder / "features" / f"{split}.h5" for split in ("train", "dev"))
    for split, output in (("train", train), ("dev", dev)):
        bv.run("bv_prepare", "--squad", corpus / f"{split}.json", "--model", tiny_model, "--output", output, "--unfound", "keep")
    for task, heads in HEADS.items():
        place = folder / task / "seed-1"
        bv.run("bv_finetune", "--model", tiny_model, "--task", task, "--features", train, "--output", place, "--checkpoints", 0.5,
               "--batch", 4, *ALONE)
        bv.run("bv_train", "--checkpoint", checkpoint(folder, task), "--features", train, "--dev-features", dev, "--heads", heads,
               "--output", place / "heads", "--epochs", 1, *ALONE)
        bv.run("bv_eval", "--checkpoint", checkpoint(folder, task), "--features", dev, "--output", place / "evaluations/epoch-0.5",
               *ALONE)
    return folder


def checkpoint(run, task):
    return run / task / "seed-1" / "checkpoints" / "epoch-0.5"


def heads_of(run, task):
    return {path.parents[2].name: path.parent for path in (run / task / "seed-1" / "heads").glob("*/*/*/head.json")}


def dev_questions(corpus):
    """[(id, question, context, texts of the gold answers)]"""
    return [(question["id"], question["question"], paragraph["context"], [answer["text"] for answer in question["answers"]])
            for article in bv.read_json(corpus / "dev.json")["data"]
            for paragraph in article["paragraphs"] for question in paragraph["qas"]]


def fed(command, text, cwd=None):
    """What a command says that reads `text`: its exit code, standard output and standard error."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "BV_BIN": str(bv.BIN), "BV_PYTHON": sys.executable}
    return subprocess.run([str(part) for part in command], input=text, capture_output=True, encoding="utf-8", env=environment,
                          timeout=60, check=False, cwd=cwd)


def serve(run, task, lines, *flags):
    heads = [part for folder in heads_of(run, task).values() for part in ("--head", folder)]
    said = fed([bv.BIN / "bv_eval", "--serve", "--checkpoint", checkpoint(run, task), "--features", run / "features/dev.h5", *heads,
                *ALONE, *flags], "".join(line + "\n" for line in lines))
    assert said.returncode == 0, said.stderr
    replies = [json.loads(line) for line in said.stdout.splitlines()]
    assert len(replies) == len(lines)
    return replies


def ask(run, *flags, text="", **kwargs):
    return fed([bv.SOURCE / "launch/ask.sh", run, *flags], text, **kwargs)


@pytest.mark.parametrize("task", HEADS)
def test_answers_are_those_of_an_evaluation_of_the_same_questions(run, corpus, task, tmp_path):
    with h5py.File(run / "features/dev.h5") as file:
        windows = len(file["features/question_of"])
    questions = dev_questions(corpus)
    assert windows > len(questions)
    replies = serve(run, task, [json.dumps({"id": id, "question": question, "context": context})
                                for id, question, context, _ in questions])
    weighed = {one["system"]: one["layer_weights"] for one in replies[0]["answers"] if "layer_weights" in one}
    assert list(weighed) == [name := HEADS[task].split(",")[0]]  # the other one learns no weights
    (learned,) = bv.read_json(heads_of(run, task)[name] / "head.json")["layer_weights"]
    assert [one["weight"] for one in weighed[name]] == pytest.approx(learned["weights"], abs=1e-6)
    assert [one["layer"] for one in weighed[name]] == ["pooled"] * (task == "classification") + [0, 1, 2]
    evaluations = {"BERT": run / task / "seed-1/evaluations/epoch-0.5"}
    for name, folder in heads_of(run, task).items():
        evaluations[name] = tmp_path / name
        bv.run("bv_eval", "--head", folder, "--checkpoint", checkpoint(run, task), "--features", run / "features/dev.h5", "--output",
               tmp_path / name, *ALONE)
    for system, evaluation in enumerate(evaluations):
        folder = evaluations[evaluation]
        for reply, (id, _, context, _) in zip(replies, questions):
            found = reply["answers"][system]
            assert reply["id"] == id and found["system"] == evaluation
            if task == "classification":
                none = bv.read_json(folder / "na_probs.json")[id]
                assert found["no_answer_probability"] == pytest.approx(none, abs=1e-6)
                assert found["class"] == ("no answer" if none > 0.5 else "answer")
                assert found["probability"] == pytest.approx(max(none, 1 - none), abs=1e-6)
                continue
            text = bv.read_json(folder / "predictions.json")[id]
            candidates = bv.read_json(folder / "nbest_predictions.json")[id]
            assert found["answer"] == text
            assert found["answer"] == (context[found["start"]:found["end"]] if found["start"] >= 0 else "")
            assert found["null_odds"] == pytest.approx(bv.read_json(folder / "null_odds.json")[id], abs=1e-5)
            for ours, theirs in zip([found, *found["n_best"]], [next(one for one in candidates if one["text"] == text), *candidates]):
                assert ours["probability"] == pytest.approx(theirs["probability"], abs=1e-6)
            none = next(one for one in candidates if not one["text"])
            assert found["no_answer_probability"] == pytest.approx(none["probability"], abs=1e-6)


def test_a_line_that_is_no_question_costs_no_other(run):
    context = "Zoë 😀 läuft nach Kraków; \u65e5\u672c\u8a9e und e\u0301."
    good = json.dumps({"id": 7, "question": "Wohin läuft Zoë \u202e?", "context": context}, ensure_ascii=False)
    bad = {'{"question": "Who?"': "column", "[]": "a JSON object", "": "the line", '{"id": "x", "context": "Ada."}': "'question' is missing",
           '{"question": 3, "context": "Ada."}': "a string", '{"question": " ", "context": "Ada."}': "is empty",
           '{"question": "Who?", "context": "\\n"}': "is empty"}
    lines = [line for one in bad for line in (one, good)]
    replies = serve(run, "span", [*lines, '{"question": "Who?", "context": "\\u0000"}'])
    for reply, words in zip(replies[::2], bad.values()):
        assert words in reply["error"] and "answers" not in reply
    assert replies[6]["id"] == "x"
    for reply in replies[1:-1:2]:
        assert reply == replies[1] and reply["id"] == 7
    for answer in replies[1]["answers"]:
        for one in [answer, *answer["n_best"]]:
            assert one["answer"] == (context[one["start"]:one["end"]] if one["start"] >= 0 else "")
    assert "no character that is part of a token" in replies[-1]["error"]


@pytest.mark.parametrize("threshold, is_none", [("-1e9", True), ("1e9", False)])
def test_the_null_threshold_decides_between_none_and_a_span(run, threshold, is_none):
    (reply,) = serve(run, "span", [json.dumps({"question": "Who wrote it?", "context": "Ada wrote it."})], "--null-threshold", threshold)
    assert {answer["start"] < 0 for answer in reply["answers"]} == {is_none}


def test_a_context_of_many_windows(run):
    context = "Nobody knows it. " * 400 + "Ada wrote it in 1843."
    (reply,) = serve(run, "span", [json.dumps({"question": "Who wrote it?", "context": context})], "--n-best", 100)
    for answer in reply["answers"]:
        assert sum(one["probability"] for one in answer["n_best"]) <= 1 + 1e-9
        for one in answer["n_best"]:
            assert one["answer"] == (context[one["start"]:one["end"]] if one["start"] >= 0 else "")


def test_it_ends_when_told_although_no_line_comes(run):
    command = [bv.BIN / "bv_eval", "--serve", "--checkpoint", checkpoint(run, "span"), "--features", run / "features/dev.h5", *ALONE]
    with subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        asked = json.dumps({"question": "Who?", "context": "A man."}) + "\n"
        server.stdin.write(2 * asked)  # both at once: no line may stay in a buffer
        server.stdin.flush()
        assert all("answers" in json.loads(server.stdout.readline()) for _ in range(2))
        server.send_signal(signal.SIGUSR1)
        assert server.wait(timeout=30) == 0


def test_flags_that_do_not_go_together_are_refused(run):
    common = ["--serve", "--checkpoint", checkpoint(run, "span"), "--features", run / "features/dev.h5", "--device", "cpu"]
    other = next(iter(heads_of(run, "classification").values()))
    for flags, ranks, words in ((["--output", run / "out"], None, "--output"), ([], 2, "one rank"), (["--head", other], None, "task")):
        result = bv.run("bv_eval", *common, *flags, ranks=ranks, check=False)
        assert result.rc == 2 and not result.stdout
        (line,) = bv.error_lines(result.stderr)
        assert words in line
    several = [part for folder in heads_of(run, "span").values() for part in ("--head", folder)]
    result = bv.run("bv_eval", *common[1:], *several, "--output", run / "out", check=False)
    assert result.rc == 2 and "--serve takes several" in result.stderr


def test_a_dev_question_by_its_id(run, corpus):
    id, question, context, gold = next(one for one in dev_questions(corpus) if one[3])
    said = ask(run.name, "--id", id, "--json", cwd=run.parent)
    assert said.returncode == 0, said.stderr
    (line,) = said.stdout.splitlines()
    reply = json.loads(line)
    assert (reply["id"], reply["question"], reply["context"], reply["gold"]) == (id, question, context, list(dict.fromkeys(gold)))
    assert reply["checkpoint"] == str(checkpoint(run, "span"))
    assert {one["system"] for one in reply["answers"]} == {"BERT", "learned_pooling", "adapter_64_shared"}
    table = ask(run, "--id", id, "--heads", "none").stdout
    assert gold[0] in table and question in table and "learned_pooling" not in table


def test_typed_questions_until_the_end_of_input(run):
    said = ask(run, text="\nAda wrote it.\nWho wrote it?\n\nWhat \x1b[31mdid Ada write?\nBob slept.\n\n\nWho slept?\n")
    assert said.returncode == 0, said.stderr
    assert [line.split("  ", 1)[1] for line in said.stdout.splitlines() if line.startswith("question")] == \
        ["Who wrote it?", "What  [31mdid Ada write?", "Who slept?"]
    assert bv.error_lines(said.stderr) == ["error: ask: there is no context yet", 'error: ask: "question" is empty']
    rows = [line.split() for line in said.stdout.splitlines() if line.startswith(("BERT", "learned_pooling", "adapter_64_shared"))]
    assert len(rows) == 9
    replies = [json.loads(line) for line in
               ask(run, "--json", "--task", "classification", text="Ada.\nWho?\n" + 8 * "\nWhy?\n").stdout.splitlines()]
    assert [(one["question"], one["context"]) for one in replies] == [("Who?", "Ada.")] + 8 * [("Why?", "Ada.")]
    seconds = min(one["seconds"] for one in replies)  # other tests may slow some of them
    print(f"once loaded, an answer took {seconds} s")
    assert seconds < 1
    assert all(one["class"] in ("answer", "no answer") for reply in replies for one in reply["answers"])


def write_variants(run, shares):
    """A run of nothing but scores: an evaluated checkpoint, and the trainings of heads, {head: [(share, layers, F1)]}."""
    def write(path, **content):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")

    seed = run / "span/seed-1"
    write(seed / "evaluations/epoch-1/metrics.json", epoch="1", official={"exact": 50, "f1": 60})
    write(seed / "checkpoints/epoch-1/config.json")
    for head, trainings in shares.items():
        for share, layers, f1 in trainings:
            place = seed / f"heads/{head}/epoch-1/lr-0.001-seed-1-{share}-{len(layers)}"
            write(place / "metrics.json", head=head, epoch="1", official={"exact": 50, "f1": f1})
            write(place / "head.json", share=share, layers=layers)


def test_the_head_is_the_one_of_all_layers_and_questions_where_there_is_one(tmp_path):
    every = [0, 1, 2]
    write_variants(tmp_path, {"tall": [(1.0, every, 50), (0.6, every, 70), (1.0, [2], 80)], "wide": [(0.6, every, 60), (0.3, every, 61)],
                              "deep": [(1.0, every, 40)]})
    run = program.read_run(tmp_path)
    for wanted, chosen in ((None, [("tall", 1.0), ("deep", 1.0)]), ("tall,wide", [("tall", 1.0), ("wide", 0.3)])):
        heads = program.choose_heads(run, run.berts[0], wanted)
        assert [(head.name, head.share) for head in heads] == chosen and all(head.layers == every for head in heads)
        assert [program.title_of(run, head) for head in heads] == [head.name if head.share == 1 else "wide (lr-0.001-seed-1-0.3-3)"
                                                                   for head in heads]


def test_a_malformed_file_is_named_before_anything_is_asked(tmp_path):
    write_variants(tmp_path, {"tall": [(1.0, [0, 1], 50)]})
    (broken,) = tmp_path.glob("span/*/heads/*/*/*/head.json")
    broken.write_text("{", encoding="utf-8")
    said = ask(tmp_path)  # which has no features
    assert said.returncode == 2 and f"error: ask: {broken}: no JSON" in said.stderr


def test_mistakes_are_one_line(run, tmp_path):
    for place, flags, words in ((run, ["--id", "nobody"], "nobody"), (run, ["--epoch", "3"], "it has 0.5"),
                                (run, ["--epoch", "x"], "'x'"), (run, ["--heads", "tall"], "learned_pooling"),
                                (run, ["--seed", "2"], "it has seed 1"), (run, ["--question", "Who?"], "--context"),
                                (run, ["--question", "", "--context", "Ada."], "empty"), (run, ["--tsk", "span"], "--tsk"),
                                (tmp_path, [], "no evaluated checkpoint"), (tmp_path / "none", [], "no such folder")):
        said = ask(place, *flags)
        assert said.returncode == 2, (flags, said.stderr)
        (line,) = bv.error_lines(said.stderr)
        assert words in line and line == said.stderr.strip(), said.stderr
    assert "Usage: launch/ask.sh RUN" in ask("--help").stdout
