"""The answer first: which small head, on which lightly fine-tuned checkpoint, matches BERT, and how sure that is."""

import charts
from bert_section import trivial_score
from counted import counted
from groups import grouped
from page_parts import Column, Figure, number_text
from report_model import TASK_TITLES
from run_model import label_of
from significance import BETTER, FEWEST, WORSE, holm
from significance_section import LEVEL, against_own_bert
from system import KEYS, MEASURES, measure_of


def signed(value):
    return number_text(value, Column("", 1, signed=True))


def epochs_of(bert):
    """How long BERT was fine-tuned."""
    return counted(label_of(bert.group.epoch), "epoch")


def add_answer(report, task, evidence):
    part = report.answer.named(TASK_TITLES[task], task)
    sentences, measure = sentences_of(report.run, task, evidence)
    part.sentences += sentences
    figure = pareto(report.run, task, evidence, measure)
    if figure:
        part.figures.append(figure)


def sentences_of(run, task, evidence):
    """The sentences, and the measure that they are about."""
    measure = measure_of(task)
    if not evidence.systems:
        return plain_sentences(run, task)
    if not evidence.berts or not evidence.heads:
        what = "BERT at any checkpoint" if not evidence.berts else "any head"
        return [f"No answer yet: there are no records of the questions of {what}."], measure
    sentences = []
    best = evidence.best_bert(measure)
    if evidence.bert_is_trivial:
        told = evidence.above_trivial
        sentences.append(trivial_text(task, evidence.trivial, evidence.score(best, measure), best.group, told))
        best = evidence.best_bert(evidence.judged)
        asked = evidence.first["answerable"].any()
        if nothing := nothing_text(task, evidence.score(best, evidence.judged) if asked else None):
            return [*sentences, nothing], measure
        sentences.append(over_all_questions(evidence, measure))
        measure = evidence.judged
    return sentences + compared(run, task, evidence, measure, best), measure


TRIVIAL = {"span": "“none” to every question", "classification": "the more frequent class for every question"}


def trivial_text(task, trivial, score, bert, difference=None):
    """BERT at its best, with this score, does not do better than the trivial answer, or its Difference to this answer may be noise."""
    how = f"; difference {interval_text(difference)}: {difference.verdict}" if difference and difference.value > 0 else ""
    return (
        f"BERT does not do better than {TRIVIAL[task]}, which scores {trivial:.1f}: its best {MEASURES[measure_of(task)]} is {score:.1f} "
        f"(epoch {label_of(bert.epoch)}{how})."
    )


def nothing_text(task, answered):
    """Why nothing can be said of heads against a BERT that does no better than the trivial answer; "" where something can. `answered`:
    its F1 of the questions with an answer, None where there are none."""
    if task != "span":
        return "So nothing can be said of heads against it."
    if answered is None:
        return "No question has an answer, so nothing can be said of heads against it."
    return "" if answered else "It answers no question that has an answer, so nothing can be said of heads against it."


def interval_text(difference):
    return f"{signed(difference.value)}, 95 % interval {signed(difference.low)} to {signed(difference.high)}"


def over_all_questions(evidence, measure):
    """Why heads are judged by the questions with an answer alone, where BERT is no better than "none" to every question."""
    told = against_own_bert(evidence, measure).values()
    better = sum(one.sure_verdict == BETTER for one in told)
    above = sum(evidence.score(one, measure) > evidence.trivial for one in evidence.heads)
    return (
        f"Over all questions {better} of {counted(len(told), 'head')} had a better {MEASURES[measure]} than BERT at the same checkpoint, "
        f"after Holm's correction, and {above} of {len(evidence.heads)} scored more than that answer. So heads are judged by the questions "
        "that have an answer."
    )


def compared(run, task, evidence, measure, best):
    """The sentences about heads beside the best BERT."""
    heads = [one for one in evidence.heads if one.group.epoch <= best.group.epoch and one.group.dev_epoch in (None, one.group.epoch)]
    if not heads:
        return ["No head was trained on a checkpoint as early as BERT's best."]
    heads = [one for one in heads if one.seeds & best.seeds]
    if not heads:
        return ["No answer yet: no head has a seed of BERT's best checkpoint."]
    if evidence.paragraphs < FEWEST:
        return [too_few_paragraphs(evidence, measure, max(heads, key=lambda one: evidence.score(one, measure)), best)]
    told = {id(one): evidence.difference(one, best, measure) for one in heads}
    corrected = dict(zip(told, holm([difference.p for difference in told.values()])))
    verdicts = {place: verdict_of(told[place], corrected[place], len(heads)) for place in told}
    trivial = 0.0 if measure == "answered" else evidence.trivial
    heads, sentences = comparable(heads, told, task, MEASURES[measure], (evidence.score(best, measure), trivial))
    if not heads:
        return sentences
    matching = [one for one in heads if told[id(one)].verdict != WORSE]
    if matching:
        chosen = min(matching, key=lambda one: (one.group.epoch, one.group.parameters or 0))
    else:
        chosen = max(heads, key=lambda one: evidence.score(one, measure))
    sentences.append(claim(run, task, evidence, measure, (chosen, best, told[id(chosen)], verdicts[id(chosen)])))
    if matching:
        sentences[-1] += " It is the one with the fewest parameters of the earliest checkpoint where a head is not worse than BERT at its best."
    else:
        those = " that can be compared" if len(sentences) > 1 else ""
        many = f"each of the {len(heads)}{those} is worse, and this one is the best of them"
        sentences.append(f"No head matches BERT: {many if len(heads) > 1 else f'the only one{those} is worse'}.")
    top = max(heads, key=lambda one: evidence.score(one, measure))
    if top is not chosen:
        sentences.append("The best of all heads: " + claim(run, task, evidence, measure, (top, best, told[id(top)], verdicts[id(top)])))
    smallest = told[id(chosen)].smallest
    limits = f"These questions would show a difference of {smallest:.1f} points or more."
    alone = " There is one seed, so the interval tells nothing of other seeds."
    limits += " The interval is over questions and seeds." if len(chosen.seeds & best.seeds) > 1 else alone
    if chosen.seeds != best.seeds:
        limits += " Both are compared under the seeds that both have."
    if task == "span":
        limits += (
            " The thresholds on the score of “none” were chosen on held-out training questions."
            if chosen.held_out
            else " The thresholds on the score of “none” are those of the evaluations."
        )
    return [*sentences, limits]


def too_few_paragraphs(evidence, measure, head, bert):
    """The scores alone, if nothing can be said about how sure a difference is."""
    ours, other = evidence.pair_of_scores(head, bert, measure)
    return (
        f"The best of all heads, {head.name} over epoch-{label_of(head.group.epoch)} states, has {MEASURES[measure]} {ours:.1f}, and BERT "
        f"{other:.1f} after {epochs_of(bert)}. The questions are of {counted(evidence.paragraphs, 'paragraph')}: too few to show "
        f"whether a difference is noise (at least {FEWEST} are needed)."
    )


def comparable(heads, told, task, measure, scores):
    """The heads whose smallest difference shown is below the distance of BERT to the trivial answer, and a sentence about the others:
    not even a head that gives this answer to every question could be told from BERT there. `told`: the Difference of each head to BERT,
    by id; `scores`: of BERT and of the trivial answer. Over the questions with an answer the latter is 0: it is always wrong."""
    score, trivial = scores
    sure = [one for one in heads if told[id(one)].smallest < score - trivial]
    smallest = min(told[id(one)].smallest for one in heads)
    above = f", {score - trivial:.1f} points more than that of {TRIVIAL[task]}" if trivial else ""
    if not sure:
        return [], [
            f"These questions are too few to compare heads with BERT: they would show a difference of {smallest:.1f} points or more, and "
            f"BERT's {measure} is only {score:.1f}{above}."
        ]
    if len(sure) == len(heads):
        return heads, []
    than = "the distance of BERT to that answer" if trivial else f"BERT's {measure}"
    return sure, [
        f"These questions are too few to compare {len(heads) - len(sure)} of {len(heads)} heads with BERT: for such a head they would show "
        f"only differences that are larger than {than} ({score:.1f}{above})."
    ]


def verdict_of(difference, corrected, heads):
    """The words for a difference. Many heads were compared, so "better" must hold after Holm's correction."""
    if difference.verdict != BETTER:
        return difference.verdict
    holds = "also" if corrected < LEVEL else "but not"
    return f"better, {holds} after Holm's correction for {counted(heads, 'head')}"


def claim(run, task, evidence, measure, compared_pair):
    """One sentence: a head against BERT, with interval and verdict."""
    head, bert, difference, verdict = compared_pair
    whole = run.bert_parameters(task) or bert.group.parameters
    share = f" with {100 * head.group.parameters / whole:.2g} % of its parameters" if whole and head.group.parameters else ""
    ours, other = evidence.pair_of_scores(head, bert, measure)
    ratio = f"{100 * ours / other:.0f} %" if other else "all"
    return (
        f"{head.name} over epoch-{label_of(head.group.epoch)} states reaches {ratio} of BERT's {MEASURES[measure]}{share} ({ours:.1f} "
        f"against {other:.1f} after {epochs_of(bert)}; difference {interval_text(difference)}: {verdict})."
    )


def plain_sentences(run, task):
    """The sentences if there are no records of questions, and the measure: the scores alone, and that nothing tells how sure they are."""
    measure, sentences = measure_of(task), []
    own = [one for one in run.berts if one.task == task]
    berts, heads = scored(own, measure), scored(run.plain_heads(task), measure)
    if not berts or not heads:
        return [f"No answer yet: the run has no scores of {'BERT' if not berts else 'heads'} in the {task} task."], measure
    best = max(berts, key=lambda one: one.main(KEYS[measure]))
    trivial = trivial_score(task, own)
    if trivial is not None and best.main(KEYS[measure]) <= trivial:
        sentences.append(trivial_text(task, trivial, best.main(KEYS[measure]), best))
        answered = [one.main(KEYS["answered"]) for one in scored(own, "answered")]
        if nothing := nothing_text(task, max(answered, default=None)):
            return [*sentences, nothing], measure
        sentences.append("So heads are judged by the questions that have an answer.")
        measure = "answered"
        best = max(scored(own, measure), key=lambda one: one.main(KEYS[measure]))
    return [*sentences, plain_claim(run, task, scored(run.plain_heads(task), measure), best, measure)], measure


def scored(results, measure):
    """The groups of these results that have the score."""
    return [group for group in grouped(results) if group.main(KEYS[measure]) is not None]


def plain_claim(run, task, heads, best, measure):
    """One sentence about the scores alone: the best head on a checkpoint as early as BERT's best."""
    heads = [one for one in heads if one.epoch <= best.epoch and one.dev_epoch in (None, one.epoch)]
    if not heads:
        return "No head was trained on a checkpoint as early as BERT's best."
    top = max(heads, key=lambda one: one.main(KEYS[measure]))
    ours, other = top.main(KEYS[measure]), best.main(KEYS[measure])
    if not other:
        return f"BERT's {MEASURES[measure]} is 0, so nothing can be said of heads against it."
    whole = run.bert_parameters(task)
    share = f" with {100 * top.parameters / whole:.2g} % of its parameters" if whole and top.parameters else ""
    return (
        f"{top.label} over epoch-{label_of(top.epoch)} states reaches {100 * ours / other:.0f} % of BERT's {MEASURES[measure]}{share} "
        f"({ours:.1f} against {other:.1f} after {counted(label_of(best.epoch), 'epoch')}). How sure this is cannot be told: the run has no "
        "records of its questions."
    )


def pareto(run, task, evidence, measure):
    """Parameters against the score, of heads and of BERT at their checkpoints and at its best."""
    points = points_of_records(evidence, measure) if evidence.systems else points_of_seeds(run, task, measure)
    points = [point for point in points if point["parameters"]]
    if not any(point["model"] != "BERT" for point in points):
        return None
    for point in points:
        point["front"] = not any(
            (other["parameters"], -other["value"]) != (point["parameters"], -point["value"])
            and other["parameters"] <= point["parameters"]
            and other["value"] >= point["value"]
            for other in points
        )
    what = f"95 % intervals, over {evidence.drawn_over}" if evidence.systems else "from the seed with the lowest score to the seed with the highest"
    caption = (
        f"Parameters against {MEASURES[measure]}: heads by the checkpoint whose states they read, and BERT. Lines are {what}. The "
        "dashed line joins models for which no model with as few parameters is better; the first and the last of them are named."
        + evidence.thresholds_text
    )
    spec = charts.pareto_front(points, f"{MEASURES[measure]}, percent")
    return Figure(f"{task}-pareto", "Parameters against score", caption, spec, f"{task}-heads")


def points_of_records(evidence, measure):
    epochs = {head.group.epoch for head in evidence.heads}
    best = max(evidence.berts, key=lambda one: evidence.score(one, measure), default=None)
    points = []
    for system in evidence.systems:
        if not system.is_bert or system.group.epoch in epochs or system is best:
            low, high = evidence.interval(system, measure)
            points.append(_point(system.group, evidence.score(system, measure), low, high))
    return points


def points_of_seeds(run, task, measure):
    heads = run.plain_heads(task)
    epochs = {head.epoch for head in heads}
    points = []
    for group in grouped([*(bert for bert in run.berts if bert.task == task and bert.epoch in epochs), *heads]):
        values = [one.main[KEYS[measure]] for one in group.results if KEYS[measure] in one.main]
        if values:
            points.append(_point(group, sum(values) / len(values), min(values), max(values)))
    return points


def _point(group, value, low, high):
    return {
        "model": group.label,
        "epoch": label_of(group.epoch),
        "parameters": group.parameters,
        "value": value,
        "low": low,
        "high": high,
    }
