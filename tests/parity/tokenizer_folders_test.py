"""bv_prepare's ids and offsets against AutoTokenizer, over the kinds of folders that a tokenizer is saved in."""

import json
import random

import bv
import pytest
from tokenizer_parity import assert_equal, fast_encoder, prepared, write_squad
from transformers import AutoTokenizer

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "on", "mat", "##s", "?", ".", "who", "The",
          "Cat", "[unused7]", "<s>", "</s>", "<unk>", "[", "]", "unused", "##7", "zork", "e", "##e", "\u00e9", "\u4e2d"]
TEXTS = [("Who sat?", "The cats sat on the mat. zork"), ("the [unused7] zork", "The Cat [UNUSED7] caf\u00e9 [unused7]s zorks"),
         ("<s> who </s>", "on<s>the</s> cat [SEP] [MASK]mat[PAD] \u4e2dzork Zork ZORKs"),
         ("[ENT] plonk", "a [ENT]  cat, [ent]plonk Plonk plonks plonk.\u00a0[ENT]. un\u00e9 e\u0301")]


def added(content, **flags):
    return {"content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": True, "special": False,
            **flags}


def special(content, **flags):
    return added(content, normalized=False, special=True, **flags)


def vocabulary_text(pieces):
    return "".join(piece + "\n" for piece in pieces)


def tokenizer_json(pieces=PIECES, tokens=(), lowercase=True, **other):
    """A tokenizer.json as `tokenizers` writes it; `tokens` are (id, added token)."""
    def ends(name, number):
        return {"id": name, "ids": [number], "tokens": [name]}
    cls, sep = ({"SpecialToken": {"id": name, "type_id": 0}} for name in ("[CLS]", "[SEP]"))
    a, b = ({"Sequence": {"id": name, "type_id": segment}} for name, segment in (("A", 0), ("B", 1)))
    file = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [{"id": i, **token} for i, token in tokens],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
                       "lowercase": lowercase},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing", "single": [cls, a, sep],
                           "pair": [cls, a, sep, b, {"SpecialToken": {"id": "[SEP]", "type_id": 1}}],
                           "special_tokens": {"[CLS]": ends("[CLS]", 2), "[SEP]": ends("[SEP]", 3)}},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": {piece: i for i, piece in enumerate(pieces)}}}
    return {**file, **other}


def write_folder(folder, files):
    """A model folder; `files` by name: text, or what a JSON file holds."""
    folder.mkdir()
    config = {"model_type": "bert", "vocab_size": 100, "hidden_size": 8, "num_attention_heads": 1, "num_hidden_layers": 1,
              "intermediate_size": 8}
    for name, content in {"config.json": config, **files}.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return folder


def assert_as_by_hugging_face(folder, tmp_path, pairs=TEXTS):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    whole = tokenizer("who", "cat")["input_ids"]
    ends = whole[0], whole[-1]
    encode = fast_encoder(tokenizer)
    features = prepared(write_squad(tmp_path / "squad.json", pairs), folder, tmp_path / "features.h5")
    for feature, (question, context) in zip(features, pairs, strict=True):
        assert_equal(feature, question, context, encode, ends)


VOCABULARY = vocabulary_text(PIECES)
LAST = len(PIECES)
FOLDERS = {
    "vocab.txt alone": {"vocab.txt": VOCABULARY},
    "cased": {"vocab.txt": VOCABULARY, "tokenizer_config.json": {"do_lower_case": False}},
    "tokenizer.json alone": {"tokenizer.json": tokenizer_json()},
    "tokenizer.json alone with added tokens": {"tokenizer.json": tokenizer_json(tokens=[
        (0, special("[PAD]")), (2, special("[CLS]")), (LAST, added("plonk")), (LAST + 1, special("[ENT]"))])},
    "cased tokenizer.json": {"tokenizer.json": tokenizer_json(lowercase=False),
                             "tokenizer_config.json": {"do_lower_case": False, "tokenizer_class": "BertTokenizerFast"}},
    "tokenizer.json counts more than vocab.txt": {"vocab.txt": VOCABULARY,
                                                  "tokenizer.json": tokenizer_json(PIECES[:5] + PIECES[:4:-1])},
    "model without a type": {"tokenizer.json": tokenizer_json(model={
        k: v for k, v in tokenizer_json()["model"].items() if k != "type"})},
    "transformers 4 with added tokens": {
        "vocab.txt": VOCABULARY, "added_tokens.json": {"plonk": LAST, "[ENT]": LAST + 1},
        "special_tokens_map.json": {"additional_special_tokens": ["[ENT]"], "cls_token": "[CLS]"},
        "tokenizer_config.json": {"do_lower_case": True, "additional_special_tokens": [], "added_tokens_decoder": {
            "0": special("[PAD]"), "1": special("[UNK]"), str(LAST): added("plonk"), str(LAST + 1): special("[ENT]")}}},
    "early transformers 4 with added tokens": {
        "vocab.txt": VOCABULARY, "added_tokens.json": {"plonk": LAST, "[ENT]": LAST + 1, "[MASK]": 4},
        "special_tokens_map.json": {"additional_special_tokens": ["[ENT]"], "mask_token": special("[MASK]", lstrip=True)}},
    "extra special tokens": {"vocab.txt": VOCABULARY, "added_tokens.json": {"[ENT]": LAST},
                             "tokenizer_config.json": {"extra_special_tokens": ["[ENT]", "[unused7]"]}},
    "new special tokens without ids": {"vocab.txt": VOCABULARY,
                                       "tokenizer_config.json": {"additional_special_tokens": ["[ENT]", "plonk"]}},
    "unused piece declared special": {"vocab.txt": VOCABULARY,
                                      "special_tokens_map.json": {"additional_special_tokens": ["[unused7]"]}},
    "named tokens of its own": {"vocab.txt": VOCABULARY, "tokenizer_config.json": {
        "unused_token": "[unused7]", "extra_special_tokens": {"odd_token": "zork"}}},
    "special tokens of other names": {"vocab.txt": VOCABULARY, "tokenizer_config.json": {
        "cls_token": "<s>", "sep_token": {"__type": "AddedToken", **added("</s>")}, "unk_token": "<unk>"}},
    "special tokens of other names in the map": {"vocab.txt": VOCABULARY, "special_tokens_map.json": {
        "cls_token": "<s>", "sep_token": {k: v for k, v in added("</s>").items() if k != "special"}}},
    "no mask, no pad": {"vocab.txt": vocabulary_text(p for p in PIECES if p not in ("[PAD]", "[MASK]"))},
    "mask is null": {"vocab.txt": VOCABULARY, "tokenizer_config.json": {"mask_token": None}},
    "special tokens are text": {"vocab.txt": VOCABULARY, "tokenizer_config.json": {"split_special_tokens": True}},
    "tokenizer.json of no class": {
        "tokenizer.json": tokenizer_json(lowercase=False, tokens=[(0, special("[PAD]")), (LAST, added("plonk"))], model={
            **tokenizer_json()["model"], "max_input_chars_per_word": 3}),
        "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": True, "cls_token": "[CLS]"}},
}


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_folder_is_read_as_by_hugging_face(kind, tmp_path):
    assert_as_by_hugging_face(write_folder(tmp_path / "model", FOLDERS[kind]), tmp_path)


def test_a_folder_that_transformers_saved_is_read_as_by_it(model, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.add_tokens(["plonk"])
    tokenizer.add_special_tokens({"additional_special_tokens": ["[ENT]", "[unused7]"]})
    tokenizer.save_pretrained(tmp_path / "saved")
    (tmp_path / "saved" / "config.json").write_text((model / "config.json").read_text())
    assert not (tmp_path / "saved" / "vocab.txt").exists()
    assert_as_by_hugging_face(tmp_path / "saved", tmp_path)


BASE = PIECES[:14]
LINES = {
    "no last line end": "\n".join(BASE),
    "blank lines": "\n".join([*BASE[:7], "", *BASE[7:10], "", "", *BASE[10:]]) + "\n",
    "blank lines at the end": "\n".join(BASE) + "\n\n\n",
    "equal lines": "\n".join([*BASE[:8], "cat", "##s", *BASE[8:], "the"]) + "\n",
    "carriage returns": "\r\n".join(BASE) + "\r\n",
    "a lone carriage return": "\n".join([*BASE[:6], "\r", *BASE[6:]]) + "\n",
    "blanks at the end": "\n".join(b + " " if b in ("cat", "mat", "[CLS]") else b for b in BASE) + "\n",
    "tabs at the end": "\n".join(b + "\t" if b in ("cat", "mat") else b for b in BASE) + "\n",
    "no-break space at the end": "\n".join(b + "\u00a0\u3000" if b == "cat" else b for b in BASE) + "\n",
    "blanks at the beginning": "\n".join(" " + b if b in ("cat", "mat") else b for b in BASE) + "\n",
    "Unicode's line ends": "\n".join([*BASE[:6], "\u2028", "\u0085", "\u00a0", *BASE[6:]]) + "\n",
    "byte order mark": "\ufeff" + "\n".join(BASE) + "\n",
}


@pytest.mark.parametrize("kind", LINES)
def test_lines_of_a_vocabulary_are_read_as_by_hugging_face(kind, tmp_path):
    assert_as_by_hugging_face(write_folder(tmp_path / "model", {"vocab.txt": LINES[kind]}), tmp_path)


@pytest.mark.parametrize("seed", range(12))
def test_random_added_tokens_are_cut_out_as_by_hugging_face(seed, tmp_path):
    rng = random.Random(seed)
    bits = ["cat", "Cat", "CAT", "s", "zork", " ", "  ", "\t", "\u00a0", "[X]", "[x]", "\u00c9", "e\u0301", "\u00e9", "\u4e2d", "_", "-",
            "\u200b", "7", "<e>", ".", "\u0130", "\u0301"]
    tokens = {}
    while len(tokens) < 8:
        content = "".join(rng.choice(bits) for _ in range(rng.randrange(1, 4)))
        if any(c.isalnum() or c in "<[.-_" for c in content):
            flags = {name: rng.random() < 0.3 for name in ("single_word", "lstrip", "rstrip", "special")}
            tokens[content] = added(content, normalized=rng.random() < 0.5, **flags)
    lower = rng.random() < 0.5
    new = [(LAST + i, token) for i, token in enumerate(t for t in tokens.values() if t["content"] not in PIECES)]
    old = [(PIECES.index(t["content"]), t) for t in tokens.values() if t["content"] in PIECES]
    folder = write_folder(tmp_path / "model", {
        "tokenizer.json": tokenizer_json(lowercase=lower, tokens=old + new), "tokenizer_config.json": {"do_lower_case": lower}})
    pairs = [("cat", "".join(rng.choice([*bits, *tokens]) for _ in range(rng.randrange(1, 30)))) for _ in range(150)]
    assert_as_by_hugging_face(folder, tmp_path, pairs)


def changed(*keys, to, **arguments):
    """tokenizer.json with another value at a path of keys."""
    file = json.loads(json.dumps(tokenizer_json(**arguments)))
    inner = file
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = to
    return {"tokenizer.json": file}


REFUSED = [
    ({}, ["vocab.txt", "tokenizer.json"]),
    (changed("normalizer", to={"type": "Lowercase"}), ["tokenizer.json", "normalizer", "Lowercase"]),
    (changed("normalizer", to=None), ["tokenizer.json", "normalizer", "null"]),
    (changed("normalizer", "clean_text", to=False), ["normalizer.clean_text"]),
    (changed("normalizer", "lowercase", to=False), ["normalizer.lowercase", "do_lower_case", "by default"]),
    (changed("normalizer", "strip_accents", to=False), ["normalizer.strip_accents"]),
    (changed("normalizer", "handle_chinese_chars", to=False), ["normalizer.handle_chinese_chars", "tokenize_chinese_chars"]),
    (changed("pre_tokenizer", to={"type": "Whitespace"}), ["pre_tokenizer", "Whitespace"]),
    (changed("model", "type", to="BPE"), ["tokenizer.json", "model", "WordPiece"]),
    (changed("model", "vocab", to=["a"]), ["model.vocab"]),
    (changed("model", "vocab", "cat", to=-1), ["model.vocab", "cat", "-1"]),
    (changed("model", "max_input_chars_per_word", to=50), ["max_input_chars_per_word", "50"]),
    (changed("model", "continuing_subword_prefix", to="@@"), ["continuing_subword_prefix", "@@"]),
    (changed("added_tokens", to=[{"id": 70, **added("plonk")}]), ["added_tokens[0]", "plonk", "70", str(LAST)]),
    ({**changed("post_processor", to=None), "tokenizer_config.json": {"tokenizer_class": "TokenizersBackend"}},
     ["post_processor"]),
    ({"vocab.txt": VOCABULARY, "tokenizer_config.json": {"tokenizer_class": "RobertaTokenizer"}},
     ["tokenizer_class", "RobertaTokenizer"]),
    ({"vocab.txt": VOCABULARY, "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast"}}, ["tokenizer.json"]),
    ({"vocab.txt": VOCABULARY, "tokenizer_config.json": {"cls_token": 3}}, ["cls_token", "3"]),
    ({"vocab.txt": VOCABULARY, "tokenizer_config.json": {"cls_token": None}}, ["cls_token"]),
    ({"vocab.txt": VOCABULARY, "tokenizer_config.json": {"unk_token": "<q>"}}, ["<q>"]),
    ({"vocab.txt": VOCABULARY, "tokenizer_config.json": "{"}, ["tokenizer_config.json", "line 1"]),
    ({"vocab.txt": VOCABULARY, "added_tokens.json": {"plonk": 99}}, ["added_tokens.json", "plonk", "99", str(LAST)]),
    ({"vocab.txt": VOCABULARY, "added_tokens.json": {"plonk": "x"}}, ["added_tokens.json", "plonk"]),
    ({"vocab.txt": VOCABULARY, "tokenizer_config.json": {"odd_token": "[ODD]"}}, ["odd_token", "[ODD]"]),
    ({"vocab.txt": vocabulary_text(PIECES[3:])}, ["vocab.txt", "[CLS]"]),
]


@pytest.mark.parametrize("files, expected", REFUSED, ids=range(len(REFUSED)))
def test_what_is_not_implemented_is_refused_by_name(files, expected, tmp_path):
    folder = write_folder(tmp_path / "model", files)
    output = tmp_path / "features.h5"
    result = bv.run("bv_prepare", "--squad", write_squad(tmp_path / "squad.json", TEXTS), "--model", folder, "--output", output,
                    check=False)
    assert result.rc == 2, result.stderr
    lines = bv.error_lines(result.stderr)
    assert len(lines) == 1 and all(part in lines[0] for part in expected), result.stderr
    assert not output.exists()
