#!/usr/bin/env python3
"""Writes a run's metrics as TensorBoard's event files: RUN/tensorboard/<task>/seed-<s>/{fine-tuning,evaluations,heads/...}.

The steps of fine-tuning are the axis of fine-tuning and of evaluations; heads have steps of their own. Then
"tensorboard --logdir RUN/tensorboard" shows them. With --watch it adds new metrics until the run is done, or until Ctrl-C. Event files
of an earlier call are replaced.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "report"))
try:
    from progress import is_done, run_parser, step_seconds, step_values
    from run_files import Gone, JsonLines, RunError, is_number, read_json, status_of, words_of
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
except ModuleNotFoundError as missing:
    install = Path(__file__).resolve().parent / "install.sh"
    print(f"error: to_tensorboard: {sys.executable} has no package '{missing.name}'; $({install})/bin/python has all that is needed",
          file=sys.stderr)
    sys.exit(2)

SCORES = ("official", "reference", "classification")


def scores_in(metrics, prefix=""):
    """The numbers of all scores, by tag: official/f1, or held_out/official/f1."""
    held_out = metrics.get("held_out")
    inner = scores_in(held_out, f"{prefix}held_out/") if isinstance(held_out, dict) else {}
    return inner | {
        f"{prefix}{group}/{key}": value
        for group in SCORES
        for key, value in (metrics.get(group) or {}).items()
        if is_number(value)
    }


class Events:
    """The event files of one of TensorBoard's runs."""

    def __init__(self, folder):
        self.folder, self.writer = folder, None
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()

    def begin(self):
        """Starts anew, in a file of its own: TensorBoard forgets what those before said."""
        self.close()
        self.writer = EventFileWriter(str(self.folder))
        self.writer.add_event(Event(wall_time=time.time(), step=0, session_log=SessionLog(status=SessionLog.START)))

    def add(self, step, moment, values):
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])
        self.writer.add_event(Event(wall_time=moment, step=step, summary=summary))

    def close(self):
        if self.writer:
            self.writer.close()
            self.writer = None


class LineEvents:
    """Events of a JSON lines file that grows. `points_of(line)` gives the (step, values) of a line, and its seconds."""

    def __init__(self, path, folder, points_of):
        self.lines, self.events, self.points_of, self.moment = JsonLines(path), Events(folder), points_of, 0.0

    def update(self):
        lines = self.lines.read()
        if not lines:
            return
        found = [self.points_of(line) for line in lines]
        if self.lines.number == len(lines):  # the first look, or the file was written anew
            self.events.begin()
            status = status_of(self.lines.path)
            self.moment = (status.st_mtime if status else time.time()) - sum(seconds for _, seconds in found)
        for points, seconds in found:
            self.moment += seconds
            for step, values in points:
                self.events.add(step, self.moment, values)
        self.events.writer.flush()


class EvaluationEvents:
    """Events of the checkpoints' evaluations of a task and seed, in the order of their steps."""

    def __init__(self, seed, folder):
        self.seed, self.events, self.seen = seed, Events(folder), {}

    def update(self):
        paths = self.seed.glob("evaluations/epoch-*/metrics.json")
        found = {path: status.st_mtime for path in paths if (status := status_of(path)) is not None}
        if found == self.seen:
            return
        points = []
        for path, moment in found.items():
            metrics = read_json(path)
            step = (metrics.get("checkpoint") or {}).get("step")
            if is_number(step):
                points.append((step, moment, scores_in(metrics)))
        self.seen = found
        self.events.begin()
        for point in sorted(points, key=lambda point: point[0]):
            self.events.add(*point)
        self.events.close()


def points_of_tuning(line):
    """A line of metrics/finetune.jsonl: a step, an evaluation, or at last the summary."""
    evaluation = line.get("evaluation")
    if isinstance(evaluation, dict):
        return [(evaluation["step"], scores_in(evaluation, "evaluation/"))] if is_number(evaluation.get("step")) else [], 0.0
    if line.get("done") or not is_number(line.get("step")):
        return [], 0.0
    return [(line["step"], step_values(line))], step_seconds(line)


class HeadPoints:
    """A line of a head's metrics.jsonl: an epoch, with the loss of each tenth of it."""

    def __init__(self):
        self.before = 0

    def __call__(self, line):
        step = line.get("step")
        if not is_number(step):
            return [], 0.0
        before = self.before if line.get("epoch") != 1 else 0
        self.before = step
        tenths = line.get("loss_of_tenths") or []
        points = [
            (before + round((step - before) * place / len(tenths)), {"loss": loss})
            for place, loss in enumerate(tenths, 1)
            if is_number(loss)
        ]
        own = {key: line[key] for key in ("step_seconds", "waiting_share", "seconds") if is_number(line.get(key))}
        if not tenths and is_number(line.get("loss")):
            own["loss"] = line["loss"]
        return [*points, (step, own | scores_in(line))], line.get("seconds", 0.0)


def look(run, output, sources):
    """Writes what is new; `sources` are those known so far, by their place."""
    for path in sorted(run.glob("*/seed-*/metrics/finetune.jsonl")):
        seed = path.parents[1]
        folder = output / seed.relative_to(run)
        if path not in sources:
            sources[path] = LineEvents(path, folder / "fine-tuning", points_of_tuning)
    for path in sorted(run.glob("*/seed-*/heads/*/*/*/metrics.jsonl")):
        if path not in sources:
            sources[path] = LineEvents(path, output / path.parent.relative_to(run), HeadPoints())
    for seed in sorted(run.glob("*/seed-*")):
        if seed not in sources and any(seed.glob("evaluations/epoch-*/metrics.json")):
            sources[seed] = EvaluationEvents(seed, output / seed.relative_to(run) / "evaluations")
    for path, source in sources.items():
        finished = path.with_name("metrics.json").is_file()  # a head: its last line is written
        try:
            source.update()
        except Gone:  # its results are being replaced: the next look has the new ones
            continue
        if finished:
            source.events.close()


def main():
    options = run_parser(
        __doc__, "example:\n  tools/to_tensorboard.py --run runs/debug --watch", "folder for the event files (default RUN/tensorboard)"
    ).parse_args()
    output, sources = options.output or options.run / "tensorboard", {}
    try:
        if not options.run.is_dir():
            raise RunError(f"{options.run}: no such folder")
        while True:
            try:
                done = is_done(options.run)  # before the look, so that the look misses nothing
                look(options.run, output, sources)
            except (Gone, FileNotFoundError) as gone:
                if options.watch is None:
                    raise
                print(f"error: to_tensorboard: {words_of(gone)}", file=sys.stderr, flush=True)
                done = False
            if options.watch is None or done:
                break
            time.sleep(options.watch)
    except KeyboardInterrupt:
        pass
    except (RunError, FileNotFoundError) as wrong:
        print(f"error: to_tensorboard: {words_of(wrong)}", file=sys.stderr)
        return 2
    finally:
        for source in sources.values():
            source.events.close()
    if not sources and options.watch is None:
        print(f"error: to_tensorboard: {options.run} has no metrics: no <task>/seed-<s>/metrics/finetune.jsonl", file=sys.stderr)
        return 2
    print(output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
