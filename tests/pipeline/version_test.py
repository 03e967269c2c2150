"""Every program says by --version of what it was built, without MPI."""

import re

import bv
import pytest

PROGRAMS = ["bv_eval", "bv_extract", "bv_finetune", "bv_plan", "bv_prepare", "bv_store", "bv_train"]
MOST = {"commit": r"unknown|[0-9a-f]{12}(-dirty)?", "compiler": r"(GCC|clang) \d+\..*", "LibTorch": r"2\.\d+\.\d+.*", "HDF5": r"1\.\d+\.\d+",
        "MPI": r"\S.*", "CUDA": r"\d+\.\d+|none: this build computes on CPUs only"}


def test_the_programs_of_this_list_are_all_there_are():
    assert [program.name for program in sorted(bv.BIN.glob("bv_*"))] == PROGRAMS


@pytest.mark.parametrize("program", PROGRAMS)
def test_version_names_commit_and_libraries_without_starting_mpi(program):
    # With this setting MPI_Init fails.
    done = bv.run_command([bv.BIN / program, "--no-such-flag", "--version"], env={"OMPI_MCA_pml": "none_of_this_name"})
    first, *lines = done.stdout.splitlines()
    assert re.fullmatch(rf"{program} \d+\.\d+\.\d+", first)
    facts = dict(line.split(None, 1) for line in lines)
    assert {name: text for name, text in facts.items() if not re.fullmatch(MOST.get(name, r"2\.\d+\.\d+"), text)} == {}
    assert list(facts) == [*MOST, *(["NCCL"] if facts["CUDA"][0] != "n" else [])]
    assert "--version" in bv.run_command([bv.BIN / program, "--help"]).stdout


def test_version_that_cannot_be_printed_is_an_error():
    done = bv.run_command(["bash", "-c", f"'{bv.BIN / 'bv_plan'}' --version >/dev/full"], check=False)
    assert (done.rc, done.stderr) == (2, "error: cannot write to standard output: No space left on device\n")


def built_from(source, output):
    """The commit that a build of these sources gets, and when the file that tells it was last written."""
    template = bv.SOURCE / "src/programs/shared/built_from.cpp.in"
    bv.run_command(["cmake", f"-DSOURCE={source}", "-DVERSION=1.2.3", f"-DTEMPLATE={template}", f"-DOUTPUT={output}",
                    "-P", bv.SOURCE / "tools/cmake/built_from.cmake"])
    return re.search(r'"1\.2\.3", "(.*)"', output.read_text())[1], output.stat().st_mtime_ns


def test_the_commit_is_that_of_each_build(tmp_path):
    repository, output = tmp_path / "repository", tmp_path / "built_from.cpp"
    repository.mkdir()

    def git(*words):
        return bv.run_command(["git", "-C", repository, "-c", "user.name=n", "-c", "user.email=e", *words]).stdout.strip()

    git("init", "--quiet")
    for text in ("first", "second"):
        (repository / "file").write_text(text)
        git("add", "file")
        git("commit", "--quiet", "-m", text)
        head = git("rev-parse", "HEAD")[:12]
        built = built_from(repository, output)
        assert built[0] == head
        assert built_from(repository, output) == built  # untouched: nothing is compiled again
    (repository / "file").write_text("third")
    assert built_from(repository, output)[0] == f"{head}-dirty"
    (repository / "unpacked").mkdir()  # a tarball's folder, below a repository that is not its own
    assert built_from(repository / "unpacked", output)[0] == "unknown"
