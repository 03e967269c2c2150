"""A program that cannot print its results fails; a working folder that was removed is named."""

import os
import shlex
import subprocess

import bv
import pytest

FULL = ">/dev/full"
CLOSED = ">&-"


def shell(command, *, cwd=None):
    """How a command ended, its standard output redirected by the shell."""
    return bv.run_command(["bash", "-c", command], check=False, cwd=cwd)


def words(program, *arguments):
    return shlex.join([str(bv.BIN / program), *map(str, arguments)])


@pytest.fixture(scope="module")
def printing(tiny_model, corpus, model, tmp_path_factory):
    """Command lines that print their results, by name; each of them succeeds."""
    folder = tmp_path_factory.mktemp("printing")
    dev = folder / "dev.h5"
    bv.run("bv_prepare", "--squad", corpus / "dev.json", "--model", model, "--output", dev, "--unfound", "keep")
    bv.run("bv_extract", "--checkpoint", tiny_model, "--features", dev, "--store", folder / "store.h5", "--task", "classification",
           "--device", "cpu", "--threads", 1)
    data = bv.read_json(corpus / "dev.json")["data"]
    ids = [question["id"] for article in data for paragraph in article["paragraphs"] for question in paragraph["qas"]]
    predictions = folder / "predictions.json"
    predictions.write_text("{" + ", ".join(f'"{question}": ""' for question in ids) + "}")
    study = folder / "study.toml"
    study.write_text('[finetune]\ncheckpoints = "1"\n')
    return {
        "eval": words("bv_eval", "--predictions", predictions, "--squad", corpus / "dev.json"),
        "store": words("bv_store", "info", folder / "store.h5"),
        "plan": words("bv_plan", "--config", study),
        "help": words("bv_train", "--help"),
        "help of one process": words("bv_prepare", "--help"),
    }


@pytest.mark.parametrize("name", ["eval", "store", "plan", "help", "help of one process"])
def test_results_that_are_not_written_are_an_error(name, printing):
    assert shell(printing[name]).stdout.strip()
    for where, reason in ((FULL, "No space left on device"), (CLOSED, "Bad file descriptor")):
        result = shell(f"{printing[name]} {where}")
        assert result.rc == 2, result
        assert bv.error_lines(result.stderr) == [f"error: cannot write to standard output: {reason}"]


def test_results_written_to_files_are_there_though_standard_output_is_full(printing, tmp_path):
    result = shell(f"{printing['eval']} --output {tmp_path / 'out'} {FULL}")
    assert result.rc == 2
    assert bv.read_json(tmp_path / "out" / "metrics.json")["official"]["total"] > 0


def test_no_file_takes_the_place_of_a_closed_stream(printing, model, corpus, tmp_path):
    features = tmp_path / "f.h5"
    command = words("bv_prepare", "--squad", corpus / "dev.json", "--model", model, "--output", features, "--unfound", "keep")
    assert shell(f"{command} <&- >&- 2>&-").rc == 0
    bv.run("bv_prepare", "--squad", corpus / "dev.json", "--model", model, "--output", tmp_path / "g.h5", "--unfound", "keep")
    assert features.read_bytes() == (tmp_path / "g.h5").read_bytes()


@pytest.mark.parametrize("program", ["bv_prepare", "bv_eval"])
def test_a_working_folder_that_is_gone_is_named(program, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    process = subprocess.run(
        ["bash", "-c", f"cd {gone} && rmdir {gone} && exec {bv.BIN / program} --help"],
        capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.returncode == 2
    assert process.stderr == "error: the working folder was removed; start from another one\n"
