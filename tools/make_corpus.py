#!/usr/bin/env python3
"""Writes the embedded corpus: train.json and dev.json in SQuAD 2.0 format, about invented things in our own words.

The same seed and sizes give the same bytes on any machine. A third of the questions has no answer in its context. Answerable
dev questions have three gold answers, and use names that train never mentions. Some contexts are longer than a window of
386 tokens. One fact of each kind of subject is seldom told and often asked, so that a small model learns within minutes
that some questions have no answer. The text holds precomposed and combining accents, ideographs (one outside the basic
plane), kana, and no-break, thin and ideographic spaces. Some of these spaces stand inside answers; the legacy label rule
skips these questions.
"""

import argparse
import json
import os
import random
import re
import unicodedata
import zlib
from pathlib import Path

from corpus_templates import (
    FAMILY_ENDS,
    FILLERS,
    GIVEN,
    IDEOGRAPHS,
    KANA,
    KINDS,
    MIDDLES,
    PLACE_ENDS,
    STARTS,
    WORDS,
)

QUESTIONS_A_PARAGRAPH = 3  # the last of these has no answer
PARAGRAPHS_AN_ARTICLE = 6
NO_BREAK_SPACE, THIN_SPACE, IDEOGRAPHIC_SPACE = "\u00a0", "\u2009", "\u3000"


class Draw:
    """Seeded choices for one split. Uses random() alone, whose values Python promises never to change."""

    def __init__(self, seed, split):
        self._random = random.Random(f"{seed} {split}").random
        self._split = split

    def below(self, bound):
        return int(self._random() * bound)

    def chance(self, probability):
        return self._random() < probability

    def pick(self, things):
        return things[self.below(len(things))]

    def sample(self, things, count):
        """So many different things, in random order."""
        rest = list(things)
        return [rest.pop(self.below(len(rest))) for _ in range(count)]

    def name(self, ends):
        """A name of this split: the other one never draws it."""
        while True:
            name = self.pick(STARTS) + self.pick(MIDDLES) + self.pick(ends)
            if (zlib.crc32(name.encode()) % 4 == 0) == (self._split == "dev"):
                return unicodedata.normalize("NFD", name) if self.chance(0.2) else name

    def answer(self, kind):
        """An answer of a kind (a key of WORDS, or one of those below)."""
        if kind in WORDS:
            return self.pick(WORDS[kind])
        return getattr(self, "_" + kind)()

    def _place(self):
        return self.name(PLACE_ENDS)

    def _person(self):
        return f"{self.pick(GIVEN)} {self.name(FAMILY_ENDS)}"

    def _year(self):
        return str(1400 + self.below(580))

    def _length(self):
        space = NO_BREAK_SPACE if self.chance(0.15) else " "
        return f"{12 + self.below(180)}{space}{self.pick(['metres', 'feet', 'paces'])}"

    def _count(self):
        if self.chance(0.5):
            return str(40 + self.below(900))
        separator = THIN_SPACE if self.chance(0.1) else ","
        return f"{1 + self.below(60)}{separator}{self.below(1000):03}"

    def _written(self):
        family = "".join(self.sample(IDEOGRAPHS, 2))
        given = "".join(self.sample(self.pick([IDEOGRAPHS, KANA]), 2))
        return family + (IDEOGRAPHIC_SPACE if self.chance(0.15) else "") + given


def tell(sentence, subject, value):
    """The sentence of a telling with its answers: (text, [(begin, answer), (begin, wider answer)])."""
    before, lead, tail, after = re.fullmatch(r"(.*)\[(.*)\|(.*)\](.*)", sentence).groups()
    before = before.format(s=subject)
    text = before + lead + value + tail + after.format(s=subject)
    if not before:  # the sentence begins with the bracket
        text = text[0].upper() + text[1:]
    begin, end = len(before), len(before + lead + value + tail)
    narrow = (begin + len(lead), text[begin + len(lead) : end - len(tail)])
    return text, [narrow, (begin, text[begin:end])]


def make_paragraph(draw, split, number, kind, long):
    """One paragraph of SQuAD 2.0 about a new subject: four facts told, two of them and one untold asked."""
    kind = KINDS[kind]
    subject = draw.answer(kind["called"])
    *usual, seldom = range(len(kind["facts"]))
    facts = draw.sample(usual, len(usual))
    facts.insert(3 if draw.chance(0.1) else 4, seldom)
    told, untold = facts[:4], facts[4:]
    sentences = []
    for fact in told:
        answer, tellings, _ = kind["facts"][fact]
        sentences.append((fact, *tell(draw.pick(tellings), subject, draw.answer(answer))))
    for filler in draw.sample(FILLERS, 21 + draw.below(9) if long else draw.below(2)):
        sentences.append((None, filler.format(o=draw.answer("place")), []))

    context = draw.pick(kind["opening"]).format(s=subject, o=draw.answer("place"))
    answers_of = {}
    for fact, text, answers in draw.sample(sentences, len(sentences)):
        context += IDEOGRAPHIC_SPACE if draw.chance(0.02) else NO_BREAK_SPACE if draw.chance(0.02) else " "
        answers_of[fact] = [
            {"text": answer, "answer_start": len(context) + begin} for begin, answer in answers
        ]
        context += text

    questions = []
    unanswerable = seldom if seldom in untold and draw.chance(0.6) else draw.pick(untold)
    for index, fact in enumerate([*draw.sample(told, 2), unanswerable]):
        about = subject
        answers = answers_of.get(fact, [])
        plausible = []
        if not answers and draw.chance(0.25):  # a fact that is told, but asked about another subject
            fact, about = draw.pick(told), draw.answer(kind["called"])
            plausible = answers_of[fact][:1]
        narrow_wide_narrow = [answers[i] for i in (0, 1, 0)] if answers else []
        question = {
            "id": f"{split}-{number:05}-{index}",
            "question": draw.pick(kind["facts"][fact][2]).format(s=about),
            "answers": narrow_wide_narrow if split == "dev" else answers[:1],
            "is_impossible": not answers,
        }
        if not answers:
            question["plausible_answers"] = plausible
        questions.append(question)
    return {"context": context, "qas": draw.sample(questions, len(questions))}


def make_split(seed, split, count, long_every):
    """A SQuAD 2.0 file's content with exactly so many questions."""
    draw = Draw(seed, split)
    articles = []
    kind = ""
    for number in range(-(-count // QUESTIONS_A_PARAGRAPH)):
        if number % PARAGRAPHS_AN_ARTICLE == 0:
            kind = list(KINDS)[len(articles) % len(KINDS)]
            articles.append(
                {"title": f"{kind} {len(articles) // len(KINDS) + 1}".replace(" ", "_"), "paragraphs": []}
            )
        long = long_every > 0 and number % long_every == min(2, long_every - 1)
        articles[-1]["paragraphs"].append(make_paragraph(draw, split, number, kind, long))
    last = articles[-1]["paragraphs"][-1]
    last["qas"] = sorted(last["qas"], key=lambda question: question["id"])[
        : (count - 1) % QUESTIONS_A_PARAGRAPH + 1
    ]
    return {"version": "v2.0", "data": articles}


def write(path, content):
    """Writes a JSON file, which is whole or absent."""
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_bytes((json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode())
    os.replace(unfinished, path)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for train.json and dev.json")
    parser.add_argument(
        "--train", type=int, default=900, help="questions in train.json (default %(default)s)"
    )
    parser.add_argument("--dev", type=int, default=240, help="questions in dev.json (default %(default)s)")
    parser.add_argument(
        "--long-every",
        type=int,
        default=32,
        help="one paragraph in this many is longer than a window; 0: none is (default %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="another seed gives another corpus (default %(default)s)"
    )
    options = parser.parse_args()
    if options.train < 1 or options.dev < 1 or options.long_every < 0:
        parser.error("--train and --dev want at least 1, --long-every at least 0")
    options.output.mkdir(parents=True, exist_ok=True)
    for split, count in (("train", options.train), ("dev", options.dev)):
        write(options.output / f"{split}.json", make_split(options.seed, split, count, options.long_every))


if __name__ == "__main__":
    main()
