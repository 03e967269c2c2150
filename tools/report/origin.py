"""The origin of a result: store, checkpoint, features, configuration, commit, job, host; and whether results go together."""

import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from run_files import RunError, read_json
from run_model import label_of

MADE = ("program", "version", "commit", "host", "time")  # members of `made` in metrics.json and checkpoint.json
OF_EVALUATION = (("features", "dev features"), ("states", "dev states"), ("checkpoint", "checkpoint"))
OF_HEAD = (("store", "training states"), ("dev_store", "dev states"), ("held_out_store", "held-out states"),
           ("checkpoint", "checkpoint"), ("train_features", "training features"),
           ("features", "dev features"))
SECOND = 1.0  # a record's time is written without fractions


@dataclass
class Fact:
    """A link of the chain: `file` is where it lies in the run's folder, None where it is not there (any more)."""

    what: str
    text: str
    file: Path | None = None


def origin_of(run, result, records):
    """The chain of Facts behind a result, as far as files tell; `records` come from `job_records`. A malformed file or member
    costs no other link; the run names it."""
    made = next(iter(run.attempt(_made_in, result.scores, result.files[0])), None)
    parts = [(_sources, run, result), (_logits, run, result), (_fine_tuning, run, result), (_settings, result)]
    if made:
        parts.append((_facts_of_made, made, records))
    return [fact for part in parts for facts in run.attempt(*part) for fact in facts]


def _settings(result):
    configuration = result.files[0].with_name("config.toml")
    if configuration.is_file():
        yield Fact("configuration", configuration.name, configuration)
    if result.scores.get("precision"):
        yield Fact("precision", str(result.scores["precision"]))


def _made_in(fields, path):
    """The member `made` of a metrics.json or checkpoint.json. An evaluation in training has none: its checkpoint.json has one."""
    made = fields.get("made")
    if made is None:
        return None
    if not isinstance(made, dict) or not all(isinstance(made.get(key), str) for key in MADE) or not isinstance(made.get("job") or "", str):
        raise RunError(f"{path}: 'made' should be an object with texts {', '.join(MADE)} and, in a job, job; is {made!r}")
    _seconds_of(made, f"{path}: 'made.time'")
    return made


def _facts_of_made(made, records):
    yield Fact("made by", f"{made['program']} {made['version']}, {made['time']}")
    yield Fact("commit", made["commit"])
    start = _start_of(made, records)
    if made.get("job"):
        yield Fact("job", made["job"], start and start[-1])
    elif start:
        _, _, record, file = start
        yield Fact("job", f"{file.stem}, {record['time']}", file)
    yield Fact("host", made["host"])


def _start_of(made, records):
    """The record of the start that made a result. A job may start several times: its latest start before the result counts. A result
    made outside a job belongs to the latest start of launch/debug.sh before it."""
    if made.get("job"):
        own = [one for one in records if re.fullmatch(rf"[^-]+-{re.escape(made['job'])}(-restart-\d+)?", one[-1].stem)]
    else:
        own = [one for one in records if one[1] == "debug"]
    end = _seconds_of(made, "'made.time'") + SECOND
    before = [one for one in own if one[0] <= end]
    return before[-1] if before else own[0] if own and made.get("job") else None  # clocks of hosts may differ


def _seconds_of(fields, named):
    """The member `time` as seconds since 1970; `named` says where it stands."""
    try:
        return datetime.strptime(fields["time"], "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except (KeyError, TypeError, ValueError) as wrong:
        raise RunError(f"{named} should be such as \"2026-01-31T12:00:00+0000\", is {fields.get('time')!r}") from wrong


def job_records(run):
    """The records of launch/preflight.py, one for each start, the latest last: (seconds since 1970, stage, record, file)."""
    found = [record for path in sorted(run.folder.glob("jobs/*.json")) for record in run.attempt(_job_record, path)]
    return sorted(found, key=lambda one: one[0])


def _job_record(path):
    record = read_json(path)
    return _seconds_of(record, f"{path}: 'time'"), path.name.partition("-")[0], record, path


def _sources(run, result):
    """Features, states and checkpoint, by metrics.json."""
    scores = result.scores
    for key, what in OF_HEAD if _tells_training(result) else OF_EVALUATION:
        if isinstance(scores.get(key), dict):
            yield _source(run, what, scores[key].get("path"), scores[key].get("fingerprint"))
    if (chosen := threshold_source(run, result)) is not None:
        yield chosen
    if isinstance(scores.get("head_folder"), str):
        yield _source(run, "head", scores["head_folder"], None)


def _logits(run, result):
    for logits in result.scores.get("logits") or []:
        if not isinstance(logits, dict):
            raise RunError(f"{result.files[0]}: 'logits' should hold objects with a text 'path', holds {logits!r}")
        yield _source(run, "logits", logits.get("path"), logits.get("fingerprint"))


def threshold_source(run, result):
    """The scores on held-out questions that the threshold of a result comes from; None where it was given."""
    answers = result.scores.get("answers")
    source = answers.get("threshold_from") if isinstance(answers, dict) else None
    return _source(run, "threshold", source.get("path"), source.get("fingerprint")) if isinstance(source, dict) else None


def _tells_training(result):
    return isinstance(result.scores.get("train_features"), dict)


def _checkpoint_of(run, result):
    return run.folder / result.task / f"seed-{result.seed}" / "checkpoints" / f"epoch-{_folder_label(result.epoch)}"


def _fine_tuning(run, result):
    description = _checkpoint_of(run, result) / "checkpoint.json"
    if result.epoch is not None and description.is_file():
        about = read_json(description)
        told = (("seed", "seed"), ("step", "step"), ("of model", "started_from"), ("features", "data_fingerprint"))
        text = ", ".join(f"{what} {about[key]}" for what, key in told if key in about)
        made = next(iter(run.attempt(_made_in, about, description)), None)
        if made:
            text += f"; made by {made['program']} {made['version']}, commit {made['commit']}, on {made['host']}, {made['time']}"
        yield Fact("fine-tuning", text, description)


def _folder_label(epoch):
    return "" if epoch is None else label_of(epoch).replace("/", "_")


def _source(run, what, path, fingerprint):
    path = str(path or "")
    file = _in_run(run.folder, path)
    place = str(file.relative_to(run.folder)) if file else path
    return Fact(what, f"{place} ({fingerprint})" if fingerprint else place, file)


def _in_run(folder, path):
    """Where a path that a program wrote lies in the run's folder, which may have moved since."""
    parts = [part for part in Path(path).parts if part != "/"]
    for begin in range(len(parts) - 1):
        place = folder.joinpath(*parts[begin:])
        if place.exists():
            return place
    return None


# --- Whether results go together ---


def _features_of(result):
    return result.dev_features.get("fingerprint")


def _total_of(result):
    return result.main.get("total")


def _rule_of(result):
    """How answers were made of logits. A threshold that was chosen for a model is not the same number for all."""
    answers = result.scores.get("answers")
    if not isinstance(answers, dict):
        return None
    threshold = "chosen" if any("threshold_from" in key for key in answers) else answers.get("null_threshold")
    return f"n_best {answers.get('n_best')}, max_answer_tokens {answers.get('max_answer_tokens')}, null_threshold {threshold}"


ALIKE = (("features", _features_of), ("number of questions", _total_of), ("scorer", _rule_of))


def require_alike(run, allow_mixed=False):
    """Throws RunError that names two files where results of a task are of other features or another scorer than most of its
    results. Under `allow_mixed` their `mark` says so instead, and a note of the run."""
    for task in sorted({result.task for result in run.results}):
        results = [one for one in run.results if one.task == task]
        for what, value_of in ALIKE:
            told = [(one, value) for one in results if (value := value_of(one)) is not None]
            usual = Counter(value for _, value in told).most_common(1)
            for one, value in told:
                if value == usual[0][0]:
                    continue
                like = next(other for other, value in told if value == usual[0][0])
                mark = f"other {what} ({value}, not {usual[0][0]})"
                if not allow_mixed:
                    raise RunError(
                        f"{one.files[0]}: {mark} than {like.files[0]}: they cannot be compared; --mixed shows both, and marks these"
                    )
                one.mark = f"{one.mark}; {mark}" if one.mark else mark
                run.missing.append(f"Not to be compared: {one.files[0].relative_to(run.folder)} is of {mark}.")
