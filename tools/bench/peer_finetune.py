#!/usr/bin/env python3
"""Fine-tunes the same model by Hugging Face Transformers, for comparison with bv_finetune.

Reads SQuAD 2.0 JSON itself with the tokenizer of `transformers`, so that it shares only the recipe with this project: AdamW,
linear warm-up over the first tenth, then linear decay, weight decay except for biases and LayerNorm, gradient clipping, mean of
the start and end losses. Writes OUTPUT/steps.jsonl, one line for each step with its seconds, real tokens and computed positions
(padding included), and run_qa's files (predictions.json, best_texts.json, null_odds.json), which `bv_eval --predictions` scores.

A batch of random examples is run as a few micro-batches sorted by length, which changes only the padding. --micro-batches 1
pads the batch to its longest example, as most jobs do; --pad-to 386 pads everything to one width, as run_qa does.
"""
import argparse
import json
import random
import time
from pathlib import Path

import numpy as np
import torch
from transformers import BertForQuestionAnswering, BertTokenizerFast, get_linear_schedule_with_warmup


def read_questions(path):
    for article in json.loads(Path(path).read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                yield question, paragraph["context"]


def windows_of(tokenizer, question, context, args):
    """The windows of a question, `--stride` tokens apart, with offsets, as rows of a BatchEncoding."""
    text = question["question"].strip()
    question_ids = tokenizer(text, add_special_tokens=False)["input_ids"][: args.max_question_tokens]
    if len(question_ids) == args.max_question_tokens:
        text = tokenizer.decode(question_ids)
    room = args.max_tokens - len(question_ids) - 3
    return tokenizer(text, context, truncation="only_second", max_length=args.max_tokens,
                     stride=max(room - args.stride, 0), return_overflowing_tokens=True, return_offsets_mapping=True)


def build_features(tokenizer, path, args):
    features = []
    for question, context in read_questions(path):
        encoded = windows_of(tokenizer, question, context, args)
        for window in range(len(encoded["input_ids"])):
            offsets = encoded["offset_mapping"][window]
            in_context = [s == 1 for s in encoded.sequence_ids(window)]
            start = end = 0
            answers = question.get("answers") or []
            if answers:
                first = answers[0]["answer_start"]
                last = first + len(answers[0]["text"]) - 1
                covers = [i for i, c in enumerate(in_context) if c and offsets[i][0] < offsets[i][1]]
                if covers and offsets[covers[0]][0] <= first and offsets[covers[-1]][1] > last:
                    start = max((i for i in covers if offsets[i][0] <= first), default=0)
                    end = min((i for i in covers if offsets[i][1] > last), default=0)
            features.append(dict(id=question["id"], ids=encoded["input_ids"][window],
                                 types=encoded["token_type_ids"][window], offsets=offsets, in_context=in_context,
                                 start=start, end=end, context=context))
    return features


def collate(features, width=0):
    """Padded to `width` tokens, or to the longest feature where that is longer."""
    width = max(width, *(len(f["ids"]) for f in features))
    ids = torch.zeros(len(features), width, dtype=torch.long)
    types, mask = torch.zeros_like(ids), torch.zeros_like(ids)
    for row, f in enumerate(features):
        n = len(f["ids"])
        ids[row, :n] = torch.tensor(f["ids"])
        types[row, :n] = torch.tensor(f["types"])
        mask[row, :n] = 1
    return dict(input_ids=ids, token_type_ids=types, attention_mask=mask)


def to_device(tensors, args):
    return {name: tensor.to(args.device) for name, tensor in tensors.items()}


def predict(model, features, args):
    """Best spans by run_qa's rule: the n best starts and ends, none when the null score beats the best span."""
    model.eval()
    order = sorted(range(len(features)), key=lambda i: len(features[i]["ids"]))
    candidates, null_scores = {}, {}
    with torch.inference_mode(), torch.autocast(args.device, torch.bfloat16, enabled=args.bf16):
        for at in range(0, len(order), 32):
            rows = [features[i] for i in order[at:at + 32]]
            out = model(**to_device(collate(rows), args))
            for f, start, end in zip(rows, out.start_logits.float().cpu().numpy(), out.end_logits.float().cpu().numpy()):
                null = float(start[0] + end[0])
                null_scores[f["id"]] = min(null, null_scores.get(f["id"], null))
                for s in np.argsort(start)[-1:-21:-1]:
                    for e in np.argsort(end)[-1:-21:-1]:
                        if s >= len(f["ids"]) or e >= len(f["ids"]) or not f["in_context"][s] \
                                or not f["in_context"][e] or e < s or e - s + 1 > 30:
                            continue
                        text = f["context"][f["offsets"][s][0]:f["offsets"][e][1]]
                        candidates.setdefault(f["id"], []).append((float(start[s] + end[e]), text))
    predictions, best_texts, null_odds = {}, {}, {}
    for key, null in null_scores.items():
        score, text = max(candidates.get(key, [(-1e9, "")]))
        null_odds[key] = null - score
        best_texts[key] = text
        predictions[key] = "" if null > score else text
    return predictions, best_texts, null_odds


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="Hugging Face BERT folder")
    parser.add_argument("--train", required=True, help="SQuAD 2.0 JSON to train on")
    parser.add_argument("--dev", help="SQuAD 2.0 JSON to predict; not needed with --steps")
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--micro-batches", type=int, default=4, help="number of passes into which a batch is cut, by length")
    parser.add_argument("--pad-to", type=int, default=0, help="pad to this many tokens; 0 means to the longest example of a pass")
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--max-tokens", type=int, default=386)
    parser.add_argument("--max-question-tokens", type=int, default=64)
    parser.add_argument("--stride", type=int, default=128, help="tokens between the starts of two windows")
    parser.add_argument("--steps", type=int, default=0, help="stop after this many steps, to time them")
    parser.add_argument("--bf16", action="store_true", help="autocast to bfloat16")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    args = parser.parse_args()
    if not args.steps and not args.dev:
        parser.error("--dev is missing; it names the file to predict after training")
    return args


def train_step(model, batch, args):
    """Adds up the gradients of a batch's micro-batches; returns its loss and the number of computed positions, padding included."""
    total, positions = 0.0, 0
    size = -(-len(batch) // args.micro_batches)
    for first in range(0, len(batch), size):
        rows = batch[first:first + size]
        inputs = collate(rows, args.pad_to)
        positions += inputs["input_ids"].numel()
        for name in ("start", "end"):
            inputs[f"{name}_positions"] = torch.tensor([f[name] for f in rows])
        with torch.autocast(args.device, torch.bfloat16, enabled=args.bf16):
            out = model(**to_device(inputs, args))
        loss = out.loss * len(rows) / len(batch)
        loss.backward()
        total += loss.item()
    return total, positions


def train_model(model, train, metrics, args):
    """Trains, and writes one line for each step to the file `metrics`; returns the number of steps and of real tokens."""
    plain = [p for n, p in model.named_parameters() if n.endswith("bias") or "LayerNorm" in n]
    decayed = [p for n, p in model.named_parameters() if not (n.endswith("bias") or "LayerNorm" in n)]
    optimizer = torch.optim.AdamW([dict(params=decayed, weight_decay=0.01), dict(params=plain, weight_decay=0.0)],
                                  lr=args.learning_rate, fused=True)
    steps = args.epochs * -(-len(train) // args.batch)
    schedule = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    done, tokens, began = 0, 0, time.time()
    for _ in range(args.epochs):
        model.train()
        order = list(range(len(train)))
        random.shuffle(order)
        for at in range(0, len(order), args.batch):
            step_began = time.perf_counter()
            batch = sorted((train[i] for i in order[at:at + args.batch]), key=lambda f: len(f["ids"]))
            total, positions = train_step(model, batch, args)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            seconds = time.perf_counter() - step_began
            done += 1
            real = sum(len(f["ids"]) for f in batch)
            tokens += real
            line = dict(step=done, loss=total, sequences=len(batch), tokens=real, positions=positions, seconds=seconds)
            metrics.write(json.dumps(line) + "\n")
            if done % 25 == 0 or done == args.steps:
                spent = time.time() - began
                print(f"step {done}/{steps} loss {total:.4f} {tokens / spent:.0f} tokens/s "
                      f"{done * args.batch / spent:.1f} sequences/s", flush=True)
            if done == args.steps:
                return done, tokens
    return done, tokens


def main():
    args = parse_args()
    random.seed(args.seed)
    torch.manual_seed(args.seed)
    tokenizer = BertTokenizerFast.from_pretrained(args.model)
    model = BertForQuestionAnswering.from_pretrained(args.model).to(args.device)
    train = build_features(tokenizer, args.train, args)
    print(f"{len(train)} training features, {torch.get_num_threads()} threads", flush=True)

    args.output.mkdir(parents=True, exist_ok=True)
    began = time.time()
    with open(args.output / "steps.jsonl", "w", encoding="utf-8", buffering=1) as metrics:
        done, tokens = train_model(model, train, metrics, args)
    if done == args.steps:
        return
    seconds = time.time() - began
    predictions, best_texts, null_odds = predict(model, build_features(tokenizer, args.dev, args), args)
    for name, value in dict(predictions=predictions, best_texts=best_texts, null_odds=null_odds,
                            cost=dict(train_seconds=seconds, tokens=tokens, steps=done)).items():
        (args.output / f"{name}.json").write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
