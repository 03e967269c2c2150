"""bv_prepare's ids, segments and offsets against Hugging Face `tokenizers`, on real text and on random Unicode."""

import json
import random
import sys
import unicodedata

import bv
import pytest
from tokenizer_parity import assert_equal, fast_encoder, prepared, write_squad
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import BertTokenizerFast

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

ODD = [" ", " ", " ", "\t", "\n", "\r", "\v", "\f", "\x00", "\x1c", "\x7f", "\x85", "\u00a0", "\u1680", "\u2003", "\u200b",
       "\u200d", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\ufeff", "\u00ad", "\ufffd", "\ufffe", "\U0010ffff",
       "\u0344", "\u0f81", "\u302e", "\U0001d165", "\u1885", "\ua9bd", "\u1734", "\u166d", "\U000111c9", "\U00011938",
       "\u08d4", "\U0002b820", "\U0002b91f", "\U0002b920", "\U0002f800", "\uf900", "\u1e9e", "\u00df", "\u0130", "\u0131",
       "\u03a3", "\u03c2", "\u212a", "\ufb01", "\uac00", "\u1100\u1161\u11a8", "[SEP]", "[UNK]", "[CLS]", "[MASK]", "[sep]",
       "[PAD", "[[CLS]]", "##", "a##b", "'s", "U.S.", "l'\u00e9t\u00e9", "e\u0301", "x\u0315\u0327\u0301", "\U0001f469\u200d\U0001f680"]
BLOCKS = [(0x20, 0x7f), (0xa0, 0x250), (0x300, 0x370), (0x370, 0x400), (0x400, 0x530), (0x590, 0x700), (0x900, 0xe00),
          (0xe00, 0x1000), (0x1100, 0x1200), (0x1e00, 0x2000), (0x2000, 0x2070), (0x3040, 0x3100), (0x3400, 0x4dc0),
          (0x4e00, 0xa000), (0xac00, 0xd7a4), (0xf900, 0xfb00), (0xfe00, 0x10000), (0x10000, 0x12000),
          (0x1d000, 0x1d800), (0x1f300, 0x1fb00), (0x20000, 0x30000)]
# Letters younger than the ICU in use are lower-cased by `tokenizers` alone: only characters that Python knows are drawn.
KNOWN = [chr(c) for c in range(sys.maxunicode + 1) if unicodedata.category(chr(c)) not in ("Cn", "Cs")]


def random_text(rng):
    """Words of one block each, mixed with odd characters, marks and characters from anywhere."""
    parts = []
    for _ in range(rng.randrange(40)):
        low, high = rng.choice(BLOCKS)
        letters = [c for c in (chr(rng.randrange(low, high)) for _ in range(rng.randrange(1, 8)))
                   if unicodedata.category(c) not in ("Cn", "Cs")]
        parts.append("".join(letters) * (rng.randrange(10, 60) if rng.random() < 0.01 else 1))
        parts.append(rng.choice(ODD) if rng.random() < 0.7 else rng.choice(KNOWN))
    return "".join(parts)


def assert_file_equal(squad, pairs, model, tmp_path):
    tokenizer = BertTokenizerFast.from_pretrained(model)
    features = prepared(squad, model, tmp_path / "features.h5")
    assert len(features) == len(pairs)
    encode = fast_encoder(tokenizer)
    for feature, (question, context) in zip(features, pairs, strict=True):
        assert_equal(feature, question, context, encode, (tokenizer.cls_token_id, tokenizer.sep_token_id))


@pytest.mark.parametrize("split", ["train", "dev"])
def test_questions_and_contexts_are_tokenized_as_by_hugging_face(split, references, model, tmp_path):
    squad = references / "squad" / f"{split}.json"
    pairs = [(question["question"], paragraph["context"]) for article in bv.read_json(squad)["data"]
             for paragraph in article["paragraphs"] for question in paragraph["qas"]]
    contexts = {}
    tokenizer = BertTokenizerFast.from_pretrained(model)
    encode = fast_encoder(tokenizer)

    def remembered(text):
        if text not in contexts:
            contexts[text] = encode(text)
        return contexts[text]

    features = prepared(squad, model, tmp_path / "features.h5", "--unfound", "keep")
    assert len(features) == len(pairs)
    for feature, (question, context) in zip(features, pairs, strict=True):
        assert_equal(feature, question, context, remembered, (tokenizer.cls_token_id, tokenizer.sep_token_id))


def test_random_unicode_is_tokenized_as_by_hugging_face(model, tmp_path):
    rng = random.Random(1)
    pairs = [(random_text(rng), random_text(rng)) for _ in range(3000)]
    assert_file_equal(write_squad(tmp_path / "squad.json", pairs), pairs, model, tmp_path)


@pytest.mark.parametrize("lower_case, strip_accents", [(True, None), (False, None), (True, False), (False, True)])
def test_every_character_is_tokenized_as_by_hugging_face(lower_case, strip_accents, tmp_path):
    """With a vocabulary of single characters nothing hides in [UNK]; every known character stands in some context."""
    rng = random.Random(2)
    characters = list(KNOWN)
    rng.shuffle(characters)
    lines = ["a" + " b".join(characters[i:i + 100]) for i in range(0, len(characters), 100)]
    lines += ["".join(characters[i:i + 60]) for i in range(0, 60000, 60)]
    lines += [random_text(rng) for _ in range(1500)]
    normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=strip_accents,
                                            lowercase=lower_case)
    seen = sorted({c for line in lines for c in normalizer.normalize_str(line) if not c.isspace()})
    vocabulary = [*SPECIAL, *seen, *("##" + c for c in seen if c != "#")]
    model = tmp_path / "model"
    model.mkdir()
    (model / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8", newline="\n")
    (model / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": lower_case, "strip_accents": strip_accents}))

    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(SPECIAL)

    def encode(text):
        encoded = tokenizer.encode(text, add_special_tokens=False)
        return encoded.ids, encoded.offsets

    pairs = [("", line) for line in lines]
    features = prepared(write_squad(tmp_path / "squad.json", pairs), model, tmp_path / "features.h5")
    for feature, (question, context) in zip(features, pairs, strict=True):
        assert_equal(feature, question, context, encode, (2, 3))
