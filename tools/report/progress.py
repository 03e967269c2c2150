"""How far a run is, and its metrics as series, while it runs too."""

import argparse
import math
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from counted import counted
from run_files import is_number, read_json, read_json_lines, read_text, status_of

MOST_POINTS = 400  # of a series on a page
RECENT = 50  # steps that tell the speed
WATCH_SECONDS = 10.0
QUIET_SECONDS = 120  # silence of a program for so long is worth a word
WATCHED = ("*.toml", "wanted.txt", "features/*.toml", "*/seed-*/metrics/*.jsonl", "*/seed-*/checkpoints/*/checkpoint.json",
           "*/seed-*/heads/*/*/*/metrics.json*", "*/seed-*/evaluations/**/metrics.json")


def run_parser(about, examples, output):
    """The parser of a program about a run, with --run, --output (`output` says what for) and --watch [SECONDS]."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=examples)
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    parser.add_argument("--output", type=Path, help=output)
    parser.add_argument("--watch", type=positive_seconds, nargs="?", const=WATCH_SECONDS, metavar="SECONDS",
                        help=f"look again every so many seconds ({WATCH_SECONDS:g} if no number is given) until the run is done, or Ctrl-C")
    return parser


def positive_seconds(text):
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise ValueError
    return seconds


def step_values(line):
    """The numbers of a line about a step, by name: those it holds, the speed, and the share of time of each phase."""
    values = {key: value for key, value in line.items() if is_number(value) and key not in ("step", "epoch", "sequences", "tokens")}
    seconds = step_seconds(line)
    if seconds > 0:
        for key in ("tokens", "sequences"):
            if is_number(line.get(key)):
                values[f"{key}_per_second"] = line[key] / seconds
        values |= {f"time/{phase}": spent / seconds for phase, spent in line["phases"].items()}
    return values


def step_seconds(line):
    """Seconds that rank 0 took for a step."""
    phases = line.get("phases")
    return sum(phases.values()) if isinstance(phases, dict) and all(is_number(value) for value in phases.values()) else 0.0


def thinned(points, most=MOST_POINTS):
    """(step, value) points, at most so many: means over steps that follow each other, each at the last of its steps."""
    size = -(-len(points) // most) or 1
    groups = [points[begin : begin + size] for begin in range(0, len(points), size)]
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]


def series_of(run_folder):
    """{"span/seed-1": {"loss": [(step, value)], ...}}: the fine-tuning of each task and seed."""
    found = {}
    for path in sorted(run_folder.glob("*/seed-*/metrics/finetune.jsonl")):
        series = {}
        for line in read_json_lines(path):
            for name, value in step_values(line).items() if "loss" in line and is_number(line.get("step")) else ():
                series.setdefault(name, []).append((line["step"], value))
        found[str(path.parents[1].relative_to(run_folder))] = {name: thinned(points) for name, points in series.items()}
    return found


@dataclass
class HeadTraining:
    """Heads that bv_train trained together: each pass over the states of a checkpoint feeds them all."""

    task: str
    seed: str
    epoch: str  # label of the checkpoint
    logs: list[Path]  # metrics.jsonl of each head
    passes: list[dict]  # lines of the head that was trained longest

    @property
    def sequences_per_second(self):
        return sum(line["sequences"] for line in self.passes) / sum(line["seconds"] for line in self.passes)

    @property
    def waiting_share(self):
        """The share of the time, from 0 to 1, in which a rank waited for states."""
        return sum(line["waiting_share"] * line["seconds"] for line in self.passes) / sum(line["seconds"] for line in self.passes)


def trainings_of_heads(run_folder, read=read_json_lines):
    """The HeadTraining of a run, finished or not. `read(path)` gives the lines of a head's metrics.jsonl. Heads belong together where
    these tell one time of the same checkpoint: no file names the heads of a job."""
    found = {}
    for path in sorted(run_folder.glob("*/seed-*/heads/*/epoch-*/*/metrics.jsonl")):
        lines = [line for line in read(path) if _tells_speed(line)]
        if lines:
            *_, task, seed, _, _, epoch, _, _ = path.parts
            own = (task, seed.removeprefix("seed-"), epoch.removeprefix("epoch-").replace("_", "/"))
            training = found.setdefault((*own, lines[0]["seconds"], lines[0]["waiting_share"]), HeadTraining(*own, [], []))
            training.logs.append(path)
            training.passes = max(training.passes, lines, key=len)
    return sorted(found.values(), key=lambda one: (one.task, float(Fraction(one.epoch)), one.seed))


def _tells_speed(line):
    return all(is_number(line.get(key)) for key in ("seconds", "sequences", "waiting_share")) and line["seconds"] > 0


def under_way(run_folder, now=None):
    """The work that has begun and has not ended: a {"what", "done", "of", "unit", "speed", "seconds_left", "quiet_seconds", "text"}
    for each piece. A number that no file tells is None."""
    now = time.time() if now is None else now
    items = []
    for seed in sorted(run_folder.glob("*/seed-*")):
        name = f"{seed.parent.name}, {seed.name.replace('-', ' ')}"
        items += [*_fine_tuning(seed, name, now), *_heads(seed, name, now)]
    return items


def is_done(run_folder):
    """Whether all work that was begun in a run's folder has ended, and all results that the study wants are there."""
    seeds = sorted(run_folder.glob("*/seed-*"))
    return bool(seeds) and not _absent(run_folder) and all(_seed_done(seed) for seed in seeds)


def changes(run_folder):
    """Time and size of each file from which the page is made; a difference means that the page is old."""
    return {
        path: (status.st_mtime_ns, status.st_size)
        for pattern in WATCHED
        for path in run_folder.glob(pattern)
        if (status := status_of(path)) is not None
    }


def _quiet_seconds(paths, now):
    """The time since one of the files was written last; 0 if all are gone."""
    return now - max((status.st_mtime for path in paths if (status := status_of(path)) is not None), default=now)


def _fine_tuning(seed, name, now):
    path = seed / "metrics" / "finetune.jsonl"
    if not path.is_file():
        return
    lines = read_json_lines(path)
    if lines and lines[-1].get("done") is True:
        return
    steps = [line for line in lines if "loss" in line and is_number(line.get("step"))]
    done = steps[-1]["step"] if steps else 0
    recipe = seed / "resume" / "recipe.json"
    of = read_json(recipe).get("steps") if recipe.is_file() else None
    recent = [step_seconds(line) for line in steps[-RECENT:]]
    left = (of - done) * sum(recent) / len(recent) if of and recent else None
    tokens = sum(line["tokens"] for line in steps[-RECENT:] if is_number(line.get("tokens")))
    speed = f"{tokens / sum(recent):,.0f} tokens/s" if tokens and sum(recent) > 0 else ""
    yield _item(f"Fine-tuning of {name}", (done, of, "step"), speed, left, _quiet_seconds([path], now))


def _heads(seed, name, now):
    """Heads of a checkpoint are trained together."""
    together = {}
    for path in seed.glob("heads/*/epoch-*/*/metrics.jsonl"):
        if not path.with_name("metrics.json").is_file():
            together.setdefault(path.parents[1].name, []).append(path)
    for epoch, paths in sorted(together.items()):
        lines, recipe = read_json_lines(paths[0]), paths[0].parent / "resume" / "recipe.json"
        of = read_json(recipe).get("epochs") if recipe.is_file() else None
        seconds = [line["seconds"] for line in lines if is_number(line.get("seconds"))]
        left = (of - len(lines)) * sum(seconds) / len(seconds) if of and seconds else None
        what = f"{counted(len(paths), 'head')} of {name}, {epoch.replace('-', ' ').replace('_', '/')}"
        speed = ""
        if lines and _tells_speed(lines[-1]):
            last = lines[-1]
            speed = f"{last['sequences'] / last['seconds']:,.0f} sequences/s, {100 * last['waiting_share']:.1f} % of the time waiting for states"
        yield _item(what, (len(lines), of, "pass"), speed, left, _quiet_seconds(paths, now))


def _item(what, progress, speed, left, quiet):
    done, of, unit = progress
    text = f"{what}: {unit} {done:,}" + (f" of {of:,}" if of else "") + (f", {speed}" if speed else "")
    if left is not None:
        text += f", about {duration(left)} left"
    if quiet > QUIET_SECONDS:
        text += f"; no word for {duration(quiet)}"
    return {"what": what, "done": done, "of": of, "unit": unit, "speed": speed, "seconds_left": left, "quiet_seconds": quiet, "text": text}


def duration(seconds):
    """45 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _seed_done(seed):
    path = seed / "metrics" / "finetune.jsonl"
    lines = read_json_lines(path) if path.is_file() else []
    checkpoints = [path.parent.name for path in seed.glob("checkpoints/*/checkpoint.json")]
    evaluations = ["evaluations"]
    if seed.parent.name == "span" and (seed.parents[1] / "features" / "held-out.h5").is_file():
        evaluations.append("evaluations/held-out-threshold")
    return (
        bool(lines)
        and lines[-1].get("done") is True
        and all((seed / folder / name / "metrics.json").is_file() for folder in evaluations for name in checkpoints)
        and all(path.with_name("metrics.json").is_file() for path in seed.glob("heads/*/epoch-*/*/metrics.jsonl"))
    )


def _absent(run_folder):
    """Whether a result that RUN/wanted.txt lists is missing. The launcher wrote this file (launch/results.sh): on each line a pattern, the
    number of results that match it and, if these are comparisons, patterns of the folders of their heads."""
    path = run_folder / "wanted.txt"
    lines = read_text(path).splitlines() if path.is_file() else []
    return any(_lacks(run_folder, *line.split("\t")) for line in lines if line)


def _lacks(run_folder, pattern, *words):
    number = [word for word in words[:1] if word.isdigit()]  # in the files of earlier versions it is always 1, and left out
    left_out = [folder for head in words[len(number):] for folder in run_folder.glob(head) if _worthless(folder)]
    return len(list(run_folder.glob(pattern))) + len(left_out) < int(*number or [1])


def _worthless(head):
    """Whether a head diverged before there was anything to score: it is in no comparison."""
    return (head / "metrics.json").is_file() and not (head / "head.json").is_file()
