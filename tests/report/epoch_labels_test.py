"""The report finds the folders of a checkpoint by the label that the programs give its epoch."""

import shlex
import sys
from fractions import Fraction

import bv

sys.path.insert(0, str(bv.SOURCE / "tools" / "report"))
from run_model import label_of


def test_labels_of_epochs_are_those_of_the_programs(tmp_path):
    """Denominators with and without exact decimals, among them 1/512 (nine decimals) and 1/1024 (ten)."""
    denominators = (1, 2, 3, 7, 8, 10, 40, 125, 512, 1000, 1024, 3125, 7919, 5**9, 5**10, 10**8)
    epochs = sorted({Fraction(numerator, denominator) for denominator in denominators for numerator in (0, 1, 3, 10, 199, 123456789)})
    texts = [f"{epoch.numerator}/{epoch.denominator}" for epoch in epochs]
    study = tmp_path / "study.toml"
    study.write_text(f"""
[study]
tasks = ["span"]
states_at = [{", ".join(f'"{text}"' for text in texts)}]
[finetune]
checkpoints = "{",".join(texts)}"
""")
    printed = bv.run("bv_plan", "--config", study, "--print").stdout
    (labels,) = [line for line in printed.splitlines() if line.startswith("study_states_at=")]
    wanted = shlex.split(labels.partition("=")[2].strip("()"))
    assert len(wanted) == len(epochs) and {"1_1024", "0.001953125"} <= set(wanted)
    assert dict(zip(texts, [label_of(epoch).replace("/", "_") for epoch in epochs])) == dict(zip(texts, wanted))
