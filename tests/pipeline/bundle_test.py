"""tools/bundle.sh: its programs run in a root folder that holds a C library, bash and a Python with torch, nothing else."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import bv
import pytest

BUNDLE = bv.SOURCE / "tools" / "bundle.sh"


def pack(out, *flags, check=True):
    return bv.run_command([BUNDLE, *flags, out], env={"BV_BIN": str(bv.BIN)}, check=check, timeout=300)


def unpack(archive, folder):
    bv.run_command(["tar", "-xf", archive, "-C", folder])
    return folder / "bertvision"


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    if not shutil.which("patchelf"):
        pytest.skip("patchelf is not installed")
    out = tmp_path_factory.mktemp("bundle") / "bertvision.tar.zst"
    pack(out)
    return out


@pytest.fixture(scope="session")
def bundle(archive, tmp_path_factory):
    return unpack(archive, tmp_path_factory.mktemp("unpacked"))


def linked(program):
    """The system's files that a program is linked to, its loader among them."""
    words = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return {word for word in words if word.startswith("/")}


def c_library():
    """The GNU C library's own files, those that programs of other days name as well."""
    loader = next(path for path in linked("/bin/bash") if "/ld-linux" in path)
    folder = Path(next(path for path in linked("/bin/bash") if "/libc.so" in path)).parent
    names = ["libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1", "libresolv.so.2"]
    return {loader, *(str(folder / name) for name in names)}


def hops(path):
    """The paths that a chain of symbolic links goes through."""
    path = Path(path)
    yield path
    while path.is_symlink():
        path = path.parent / os.readlink(path)
        yield path


class Bare:
    """A root folder that holds nothing but a C library, bash, this Python with its packages, and what it is given."""

    def __init__(self, bundle, data):
        files = c_library() | linked("/bin/bash") | {"/bin/bash"} | linked(os.path.realpath(sys.executable))
        files |= {os.path.normpath(hop) for hop in hops(sys.executable)}
        self.command = ["bwrap", "--unshare-all", "--die-with-parent", "--clearenv", "--proc", "/proc", "--dev", "/dev",
                        "--tmpfs", "/tmp", "--ro-bind", "/sys", "/sys", "--setenv", "PATH", "/bin"]
        folders = [sys.prefix, sysconfig.get_path("stdlib"), bv.model_folder()]
        for path in sorted(files) + folders:
            self.command += ["--ro-bind", os.path.realpath(path), path]
        self.command += ["--ro-bind", bundle, "/elsewhere/bertvision", "--bind", data, "/data", "--chdir", "/data"]
        self.start = ["--", "/elsewhere/bertvision/run-here.sh"]

    def run(self, *words, check=True, python=sys.executable, **more):
        return bv.run_command([*self.command, *self.start, "--python", python, *words], check=check, **more)


@pytest.fixture(scope="session")
def bare(bundle, corpus, tmp_path_factory):
    if not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed")
    tried = subprocess.run(["bwrap", "--ro-bind", "/", "/", "--unshare-all", "true"], stderr=subprocess.PIPE, text=True,
                           check=False)
    if tried.returncode != 0:
        pytest.skip(f"bubblewrap makes no root folder here: {tried.stderr.strip()}")
    data = tmp_path_factory.mktemp("data")
    for name in ("train.json", "dev.json"):
        shutil.copy(corpus / name, data)
    return Bare(bundle, data), data


def test_the_root_folder_is_bare(bare):
    listing = bare[0].run("bash", "-c", "echo /bin/* /usr/bin/*").stdout.split()
    assert [name for name in listing if "python" not in name] in (["/bin/bash"], ["/bin/bash", "/usr/bin/*"])


def test_every_program_of_the_road_runs_there(bare, model):
    here, data = bare
    for name in ("train", "dev"):
        here.run("bv_prepare", "--squad", f"{name}.json", "--model", model, "--unfound", "keep", "--output", f"{name}.h5")
    bv.run("bv_prepare", "--squad", data / "train.json", "--model", model, "--unfound", "keep", "--output", data / "ours.h5")
    assert (data / "ours.h5").read_bytes() == (data / "train.h5").read_bytes()

    ranks = ["--ranks", 2, "--threads", 1]
    here.run(*ranks, "--", "bv_finetune", "--model", model, "--features", "train.h5", "--task", "span", "--batch", 16,
             "--checkpoints", 1, "--output", "run")
    checkpoint = "run/checkpoints/epoch-1"
    for name in ("train", "dev"):
        here.run(*ranks, "--", "bv_extract", "--checkpoint", checkpoint, "--task", "span", "--features", f"{name}.h5",
                 "--store", f"{name}-states.h5")
    assert "complete" in here.run("bv_store", "info", "train-states.h5").stdout
    here.run(*ranks, "--", "bv_train", "--heads", "learned_pooling", "--store", "train-states.h5", "--dev-store",
             "dev-states.h5", "--epochs", 1, "--output", "heads")
    here.run(*ranks, "--", "bv_eval", "--checkpoint", checkpoint, "--features", "dev.h5", "--output", "evaluation")
    assert bv.read_json(data / "evaluation" / "metrics.json")["official"]["total"] > 0
    assert list((data / "heads").glob("learned_pooling/*/*/metrics.json"))
    here.run("bv_plan", "--config", "/elsewhere/bertvision/configs/reference.toml")


def test_a_mistake_and_a_killed_rank_are_told_there(bare):
    here = bare[0]
    result = here.run("--ranks", 2, "--", "bv_eval", "--features", "nowhere.h5", check=False)
    assert result.rc == 2
    assert len(bv.error_lines(result.stderr)) == 1
    script = "if [ $OMPI_COMM_WORLD_RANK = 1 ]; then kill -KILL $$; fi; read -t 20 </dev/zero"
    result = here.run("--ranks", 2, "--", "bash", "-c", script, check=False)
    assert result.rc == 137
    assert "killed by signal 9" in result.stderr


def test_without_a_gpu_the_check_of_gpus_says_so(bare):
    result = bare[0].run("gpu.sh", "results", check=False)
    assert result.rc == 2
    assert bv.error_lines(result.stderr) == ["error: gpu.sh: nvidia-smi lists no GPU on this machine"]


def test_the_tests_of_gpus_are_packed(bundle):
    listed = bv.run_command(["ctest", "--test-dir", bv.BIN.parent, "-L", "gpu", "--show-only=json-v1"]).stdout
    commands = [word for test in json.loads(listed)["tests"] for word in test["command"]]
    wanted = {Path(word).name for word in commands if Path(word).parent.name == "bin" and Path(word).name.startswith("test_")}
    assert wanted == {path.name for path in (bundle / "bin").glob("test_*")}
    assert len(wanted) >= 4


def test_the_check_of_gpus_runs_from_the_bundle_with_the_cpu_in_their_place(bundle, corpus, tiny_model, tmp_path):
    bv.run_command([bundle / "run-here.sh", "--python", sys.executable, "python", bundle / "tools/bench/gpu.py", "results",
                    "--device", "cpu", "--gpus", 2, "--model", tiny_model, "--squad", corpus, "--few", 4, "--batch", 4,
                    "--steps", 2, "--kills", 1, "--items", "tests,parity,sanitizer,equal-bits", "--work", "work"],
                   cwd=tmp_path, env={"SLURM_JOB_ID": "", "PATH": "/usr/bin:/bin"}, timeout=300)
    summary = bv.read_json(tmp_path / "results" / "summary.json")
    found = {item["item"]: item for item in summary["items"]}
    assert {name: item["ended"] for name, item in found.items()} == {
        "tests": "skipped", "inputs": "passed", "parity": "passed", "sanitizer": "skipped", "equal-bits": "passed"}
    assert found["tests"]["numbers"].keys() == {path.name for path in (bundle / "bin").glob("test_*")}
    assert found["tests"]["numbers"]["test_bert_gpu"]["skipped"] > 0
    assert found["parity"]["numbers"]["states_float32"] < 1e-5
    assert found["equal-bits"]["numbers"] == {
        "whole_model": {"layers": 2, "steps": 4, "undisturbed_equal": True, "kills": 1, "equal_after_kill": 1}}


@pytest.mark.parametrize("version, found", [
    ("__version__ = '2.10.1+cu130'\ncuda: Optional[str] = '13.0'\n", "it has torch 2.10.1+cu130 for CUDA 13.0"),
    ("__version__ = '2.11.0+cu126'\ncuda: Optional[str] = '12.6'\n", "it has torch 2.11.0+cu126 for CUDA 12.6"),
    ("__version__ = '2.11.0+cpu'\ncuda: Optional[str] = None\n", "it has torch 2.11.0+cpu for no CUDA"),
    ("__version__ = '2.11.1+cu130'\ncuda: Optional[str] = '13.0'\n",
     "its torch 2.11.1+cu130 lacks libc10.so, libtorch_cpu.so"),
    ("", "it has torch of no version for no CUDA"),
])
def test_another_torch_is_refused_by_what_is_wanted_and_found(bundle, tmp_path, version, found):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").touch()
    (tmp_path / "torch" / "version.py").write_text(version)
    for library in ("libcudart.so.13", "libgomp.so.1", "libnccl.so.2"):
        folder = tmp_path / "nvidia" / "all" / "lib"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / library).touch()
    result = bv.run_command([bundle / "run-here.sh", "--python", sys.executable, "bv_plan", "--help"],
                            env={"PYTHONPATH": str(tmp_path)}, check=False)
    assert result.rc == 2
    assert result.stderr.startswith("error: run-here.sh: no Python here has a torch that fits; ")
    assert result.stderr.endswith(f"torch 2.11 for CUDA 13 is wanted; {found}\n")


@pytest.mark.parametrize("wanted, found", [
    ({"python": "3.14 3.15"}, "Python 3.14 to 3.15 is wanted; it is 3."),
    ({"glibc": "9.1"}, "the GNU C library 9.1 or newer is wanted; this machine has 2."),
    ({"machine": "riscv64"}, "a machine of kind riscv64 is wanted; this one is "),
])
def test_another_machine_is_refused_by_what_is_wanted_and_found(bundle, tmp_path, wanted, found):
    lines = (bundle / "VERSION").read_text().splitlines()
    changed = dict(line.split(maxsplit=1) for line in lines) | wanted
    (tmp_path / "VERSION").write_text("".join(f"{key} {value}\n" for key, value in changed.items()))
    result = bv.run_command([sys.executable, bundle / "tools/bundle/torch_here.py", tmp_path / "VERSION"], check=False)
    assert result.rc == 2
    assert result.stdout.startswith(found) and result.stdout.count("\n") == 1


def test_a_python_is_found_by_itself_and_programs_by_their_names(bundle, tmp_path):
    (tmp_path / "python3").symlink_to("/bin/false")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "VIRTUAL_ENV": sys.prefix, "BV_PYTHON": ""}
    result = bv.run_command([bundle / "run-here.sh", "bash", "-c", "echo $BV_PYTHON $BV_BIN"], env=environment)
    assert result.stdout == f"{sys.prefix}/bin/python {bundle}/bin\n"
    result = bv.run_command([bundle / "run-here.sh", "bv_nothing"], env=environment, check=False)
    assert (result.rc, result.stderr) == (2, f"error: run-here.sh: bv_nothing is no program; those of this folder are in "
                                             f"{bundle}/bin\n")


def test_help_teaches(bundle):
    for script in (BUNDLE, bundle / "run-here.sh"):
        result = bv.run_command([script, "--help"])
        assert "Example" in result.stdout and not result.stderr


def test_a_bundle_is_small_the_same_each_time_and_not_replaced_unasked(archive, tmp_path):
    assert archive.stat().st_size <= 60e6
    again = tmp_path / "again.tar.zst"
    again.write_bytes(b"mine")
    refused = pack(again, check=False)
    assert (refused.rc, refused.stderr) == (2, f"error: bundle.sh: {again} exists; --force replaces it\n")
    assert again.read_bytes() == b"mine"
    pack(again, "--force")
    assert again.read_bytes() == archive.read_bytes()


def test_a_bundle_for_machines_without_zstd_holds_the_same(bundle, tmp_path):
    pack(tmp_path / "bertvision.tar.gz")
    assert (tmp_path / "bertvision.tar.gz").stat().st_size <= 60e6
    other = unpack(tmp_path / "bertvision.tar.gz", tmp_path)
    assert bv.run_command(["diff", "-r", bundle, other]).stdout == ""


@pytest.mark.parametrize("args, complaint", [
    ([], "the name of the bundle is missing"),
    (["bundle.zip"], "bundle.zip ends neither in .tar.zst nor in .tar.gz"),
    (["/no/where/bundle.tar.zst"], "/no/where is no folder"),
    (["--strip", "bundle.tar.zst"], "unknown flag '--strip'"),
])
def test_mistakes_of_use_are_one_line_and_exit_code_2(args, complaint):
    result = bv.run_command([BUNDLE, *args], check=False)
    assert result.rc == 2
    assert result.stderr.startswith(f"error: bundle.sh: {complaint}") and result.stderr.count("\n") == 1


def test_licences_and_versions_of_what_is_packed_are_there(bundle):
    packed = (bundle / "licences" / "packages.txt").read_text()
    for package in ("libopenmpi3", "libicu", "nlohmann-json3-dev", "libstdc++6"):
        assert package in packed
        assert any(path.name.startswith(package) for path in (bundle / "licences").iterdir())
    assert bv.run_command(["find", bundle, "-name", "__pycache__"]).stdout == ""
