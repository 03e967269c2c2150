"""Numbers that no program takes, by the flags of every program and by its table of a study: one short line, exit code 2."""

import concurrent.futures

import bv
import pytest

LARGE = "9223372036854775807"
# Each flag with what it must refuse (config/numbers_test.cpp has all kinds of it); what else a program requires is not there,
# and is looked for only after the numbers.
FLAGS = {
    "bv_prepare": {"max-tokens": [LARGE], "max-question-tokens": ["0"], "stride": ["-1"], "limit": [LARGE],
                   "threads": ["20000"], "seed": ["-1"], "hold-out": ["1e-400"]},
    "bv_finetune": {"batch": [LARGE, "1.5"], "pass-tokens": [LARGE], "learning-rate": ["nan"],
                    "epsilon": ["inf"], "weight-decay": ["nan"], "warm-up": ["nan"], "clip": ["inf"], "patience": [LARGE],
                    "resume-every": ["nan"], "hang-timeout": ["1"], "threads": ["20000"], "seed": ["-1"]},
    "bv_extract": {"batch-tokens": [LARGE], "block-mib": ["1e300", "1e-9"]},
    "bv_train": {"learning-rate": ["1e-3,nan"], "seed": ["1,-1", "4294967295,4294967296"], "data-seed": ["18446744073709551616"],
                 "share": ["1.5"], "epochs": ["99999999999999999999"], "batch": [LARGE], "cache-gib": ["inf"],
                 "memory-gib": ["1e300"], "held-out": ["nan"], "patience": [LARGE], "resume-every": ["inf"]},
    "bv_eval": {"n-best": [LARGE], "max-answer-tokens": [LARGE], "null-threshold": ["nan"], "na-prob-threshold": ["1e400"]},
    "bv_store": {"threads": ["20000"], "hang-timeout": ["nan"]},
    "bv_plan": {"train-rate": ["1e-300"], "encode-rate": ["nan"], "write-rate": ["inf"], "read-rate": ["-1"],
                "ranks": [LARGE]},
}


def refusals(runs):
    """What each of the runs (program, *arguments) says, several at a time."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
        return list(pool.map(lambda run: bv.run(*run, check=False), runs))


@pytest.mark.parametrize("program", FLAGS)
def test_a_flag_refuses_what_is_no_number_of_its_range(program, tmp_path):
    cases = [(flag, value) for flag, values in FLAGS[program].items() for value in values]
    arguments = ["info", tmp_path / "none.h5"] if program == "bv_store" else []
    results = refusals([(program, *arguments, f"--{flag}={value}") for flag, value in cases])
    for (flag, value), result in zip(cases, results, strict=True):
        (line,) = bv.error_lines(result.stderr)
        assert result.rc == 2, (flag, value, result)
        assert f"--{flag}: found '{value.split(',')[-1]}'" in line
        assert len(line) < 160, line


def test_a_key_of_a_study_refuses_it_too(tmp_path):
    lines = ["batch = nan", "batch = 99999999999999999999", "batch = 1979-05-27", "seed = -1", "batch = 3\nbatch = 4",
             "weight_decay = 1\nweight-decay = 2"]
    runs = []
    for number, line in enumerate(lines):
        study = tmp_path / f"{number}.toml"
        study.write_text(f"[finetune]\n{line}\n")
        runs.append(("bv_finetune", "--config", study))
    for line, result in zip(lines, refusals(runs), strict=True):
        (error,) = bv.error_lines(result.stderr)
        assert result.rc == 2, (line, result)
        assert ".toml:" in error or line.split(" ")[0].replace("_", "-") in error
        assert len(error) < 200, error


@pytest.mark.parametrize("program", ["bv_prepare", "bv_train"])
def test_help_says_the_limits_of_numbers(program):
    text = bv.run(program, "--help").stdout
    assert "[0 to 1024]" in text
