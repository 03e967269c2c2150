#!/usr/bin/env python3
"""Asks the BERT and the heads of a run questions. launch/ask.sh starts it, and explains its flags; bv_eval --serve answers."""

import argparse
import json
import shutil
import subprocess
import sys
import textwrap
import time
import unicodedata
from fractions import Fraction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools" / "report"))
from question_texts import find_features, read_texts
from run_files import RunError
from run_folder import read_run
from run_model import TASKS, label_of

MOST_HEADS, MOST_LAYERS, ANSWER_WIDTH = 3, 3, 32


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise RunError(f"{message}; see launch/ask.sh --help")


def read_flags(arguments):
    parser = Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("program")
    parser.add_argument("folder", type=Path)  # of the caller
    parser.add_argument("run", metavar="RUN", type=Path)
    parser.add_argument("--task", choices=TASKS)
    parser.add_argument("--seed")
    parser.add_argument("--epoch")
    parser.add_argument("--heads")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--question")
    parser.add_argument("--context")
    parser.add_argument("--id")
    flags = parser.parse_args(arguments)
    if (flags.question is None) != (flags.context is None):
        raise RunError("--question and --context go together")
    if flags.id is not None and flags.question is not None:
        raise RunError("--id names a dev question: leave out --question and --context")
    flags.run = flags.folder / flags.run
    return flags


def epoch_of(text):
    try:
        return Fraction(text.replace("_", "/"))
    except (ValueError, ZeroDivisionError):
        raise RunError(f"--epoch is {text!r}; expected a number of epochs, such as 0.3 or 1") from None


def checkpoint_of(bert):
    """The folder of the checkpoint that an evaluation is of: it has the evaluation's name."""
    evaluation = bert.files[0].parent
    return evaluation.parents[1] / "checkpoints" / evaluation.name


def choose_bert(run, flags):
    """The evaluated checkpoint that the flags mean."""
    berts = [bert for bert in run.berts if checkpoint_of(bert).joinpath("config.json").is_file()]
    if not berts:
        raise RunError(f"{run.folder}: has no evaluated checkpoint whose files are still there; make one by launch/debug.sh")
    task = flags.task or min((bert.task for bert in berts), key=TASKS.index)
    berts = [bert for bert in berts if bert.task == task]
    seeds = sorted({bert.seed for bert in berts}, key=lambda seed: (len(seed), seed))
    if not berts or (flags.seed or seeds[0]) not in seeds:
        raise RunError(f"{run.folder}: has no evaluated checkpoint of the {task} task" +
                       (f" with seed {flags.seed}; it has seed {', '.join(seeds)}" if berts else ""))
    berts = [bert for bert in berts if bert.seed == (flags.seed or seeds[0])]
    epoch = berts[-1].epoch if flags.epoch is None else epoch_of(flags.epoch)
    found = next((bert for bert in berts if bert.epoch == epoch), None)
    if found is None:
        raise RunError(f"{run.folder}: has no evaluated checkpoint of epoch {flags.epoch} for the {task} task and seed "
                       f"{berts[0].seed}; it has {', '.join(label_of(bert.epoch) for bert in berts)}")
    return found


def is_plain(run, head):
    return any(head is plain for plain in run.plain_heads(head.task))


def title_of(run, head):
    """Its name, with the variant where it is not the head over all hidden states and questions."""
    return head.name if is_plain(run, head) else f"{head.name} ({head.variant})"


def choose_heads(run, bert, wanted):
    """The best heads over a checkpoint, or those named. Of the trainings of one head it is that with the best F1 over all hidden
    states and all questions; another variant only where there is none such."""
    over = [head for head in run.heads if (head.task, head.seed, head.epoch) == (bert.task, bert.seed, bert.epoch)]
    over.sort(key=lambda head: (not is_plain(run, head), -head.main.get("f1", 0)))
    best = {}
    for head in over:
        best.setdefault(head.name, head)
    if wanted is None:
        return [head for head in best.values() if is_plain(run, head)][:MOST_HEADS]
    names = [] if wanted == "none" else wanted.split(",")
    for name in names:
        if name not in best:
            raise RunError(f"--heads: no head {name!r} is trained over epoch {label_of(bert.epoch)} of {bert.task}, seed "
                           f"{bert.seed}; there are: {', '.join(best) or 'none'}")
    return [best[name] for name in names]


def settings_of(bert):
    """The flags of bv_eval that give the answers of an evaluation again."""
    answers = bert.scores.get("answers") or {}
    flags = [(name, answers.get(name.replace("-", "_"))) for name in ("n-best", "max-answer-tokens", "null-threshold")]
    flags.append(("precision", bert.scores.get("precision")))
    return [word for name, value in flags if value is not None for word in (f"--{name}", value)]


class Server:
    """bv_eval --serve: a line for each question, and a line back."""

    def __init__(self, program, bert, heads, features):
        command = [program, "--serve", "--checkpoint", checkpoint_of(bert), "--features", features]
        for head in heads:
            command += ["--head", head.files[0].parent]
        command += settings_of(bert)
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, encoding="utf-8")
        self.answer("", "")  # the reply, that this is no question, comes once everything is loaded

    def answer(self, question, context):
        """What it says, with the seconds that it took."""
        began = time.monotonic()
        try:
            self.process.stdin.write(json.dumps({"question": question, "context": context}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            code = self.process.wait()
            sys.exit(code if code > 0 else 1)  # it has said why
        return {**json.loads(line), "seconds": round(time.monotonic() - began, 3)}

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def printable(text):
    """The text on one line, without anything that controls a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def clipped(text, width):
    text = printable(text)
    return text if len(text) <= width else text[: width - 3] + "..."


def columns_of(text):
    """The columns that a text takes on a terminal: many characters of East Asian scripts take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else not unicodedata.combining(letter) for letter in text)


def leaning(answer):
    """"12 (31 %), 11 (22 %)": the hidden states with the largest weights."""
    if answer["system"] == "BERT":
        return "only the last"
    weights = sorted(answer.get("layer_weights", []), key=lambda one: -one["weight"])[:MOST_LAYERS]
    return ", ".join(f"{one['layer']} ({100 * one['weight']:.0f} %)" for one in weights) or "has no layer weights"


def quoted(one):
    return clipped(one["answer"], ANSWER_WIDTH) or "(no answer)"


def table_of(answers):
    """The systems' answers as lines of columns."""
    rows = []
    for one in answers:
        probabilities = [f"{one['probability']:.3f}", f"{one['no_answer_probability']:.3f}"]
        if "class" in one:
            rows.append([one["system"], one["class"], *probabilities, leaning(one)])
            continue
        other = next((other for other in one["n_best"] if other["answer"] != one["answer"]), None)
        rows.append([one["system"], quoted(one), *probabilities, f"{quoted(other)} ({other['probability']:.3f})" if other else "",
                     leaning(one)])
    spans = ["next best (probability)"] * ("class" not in answers[0])
    rows.insert(0, ["system", "answer" if spans else "verdict", "probability", "P(no answer)", *spans, "layers it leans on"])
    widths = [max(map(columns_of, column)) for column in zip(*rows)]
    return ["  ".join(cell + " " * (width - columns_of(cell)) for cell, width in zip(row, widths)).rstrip() for row in rows]


def show(flags, bert, asked, reply):
    """Prints the reply to one question. Returns whether it was answered."""
    if flags.json:
        print(json.dumps({**asked, "checkpoint": str(checkpoint_of(bert)), **reply}, ensure_ascii=False), flush=True)
        return "error" not in reply
    if "error" in reply:
        print(f"error: ask: {reply['error']}", file=sys.stderr, flush=True)
        return False
    shown_already = "id" not in asked and sys.stdin.isatty()
    lines = [] if shown_already else [f"question  {printable(asked['question'])}"]
    if "gold" in asked:
        width = shutil.get_terminal_size().columns - 1
        lines = textwrap.wrap("context   " + printable(asked["context"]), width, subsequent_indent=" " * 10) + lines
        lines.append("gold      " + (" | ".join(map(printable, asked["gold"])) or "(no answer)"))
    print(*lines, "", *table_of(reply["answers"]), f"({reply['seconds']:.2f} s)", "", sep="\n", flush=True)
    return True


def typed(prompt, flags):
    """A line of standard input. With --json the prompts go where errors go."""
    if not sys.stdin.isatty():
        prompt = ""
    if flags.json:
        print(prompt, end="", file=sys.stderr, flush=True)
        prompt = ""
    return input(prompt)


def converse(flags, bert, server):
    """Answers typed questions until the end of input."""
    context = ""
    while True:
        try:
            given = typed("context> " if not context else "context (Enter keeps the last one)> ", flags)
            context = given if given.strip() else context
            if not context:
                print("error: ask: there is no context yet", file=sys.stderr, flush=True)
                continue
            asked = {"question": typed("question> ", flags), "context": context}
        except EOFError:
            if sys.stdin.isatty():
                print(file=sys.stderr)
            return
        show(flags, bert, asked, server.answer(**asked))


def main():
    flags = read_flags(sys.argv[1:])
    run = read_run(flags.run)
    for line in run.wrong:
        print(f"error: ask: {line}", file=sys.stderr, flush=True)
    bert = choose_bert(run, flags)
    heads = choose_heads(run, bert, flags.heads)
    made = bert.scores.get("features") or {}
    features = find_features(run.folder, made.get("fingerprint"), [made["path"]] if "path" in made else [])
    if features is None:
        raise RunError(f"{bert.files[0]}: its features are neither at {made.get('path')} nor in {run.folder / 'features'}")
    asked = None
    if flags.id is not None:
        texts = read_texts(features)
        place = int(texts.places([flags.id])[0])
        asked = {"id": flags.id, "question": texts.questions[place], "context": texts.contexts[texts.context_of[place]],
                 "gold": list(dict.fromkeys(answer.text for answer in texts.answers[place]))}
    elif flags.question is not None:
        asked = {"question": flags.question, "context": flags.context}
    if not flags.json:
        names = ", ".join(["BERT", *(title_of(run, head) for head in heads)])
        print(f"{bert.task}, seed {bert.seed}, epoch {label_of(bert.epoch)}: {names}", flush=True)
        if not heads and flags.heads is None:
            others = sorted({head.epoch for head in run.heads if (head.task, head.seed) == (bert.task, bert.seed)})
            print("no heads over this checkpoint; there are heads at epoch:", ", ".join(map(label_of, others)) or "none", flush=True)
        print(flush=True)
    server = Server(flags.program, bert, heads, features)
    answered = True
    if asked:
        answered = show(flags, bert, asked, server.answer(asked["question"], asked["context"]))
    else:
        converse(flags, bert, server)
    server.end()
    return 0 if answered else 2


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # typed text that is no UTF-8
    try:
        if sys.stdin.isatty():
            import readline  # noqa: F401  # input() takes the arrow keys
        sys.exit(main())
    except RunError as wrong:
        print(f"error: ask: {wrong}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
