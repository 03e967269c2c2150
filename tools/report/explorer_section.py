"""The explorer's data on the page."""

from explorer import explorer_of, texts_of


def add_explorer(report, evidence):
    """Of one seed: the first that has records of BERT."""
    if not evidence.systems or evidence.texts is None:
        return
    first = (evidence.berts or evidence.systems)[0]
    seed = first.seed
    shown = [one for one in evidence.systems if seed in one.records]
    results = [next(result for result in one.group.results if result.seed == seed) for one in shown]
    packed = explorer_of(evidence.task, results, [one.records[seed] for one in shown], [one.thresholds[seed] for one in shown])
    texts = report.explorers["texts"]
    if evidence.first.features not in texts:
        texts[evidence.first.features] = texts_of(evidence.texts, evidence.ids)
    report.explorers["tasks"].append(packed)
    report.explorer.lead = (
        "Any question with its context, its gold answers marked, and what each checkpoint and head answered, with which "
        "confidence, as fine-tuning went on. Signs beside a question: BERT's answer at each checkpoint, right (✓) or not (·)."
    )
