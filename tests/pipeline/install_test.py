"""What the two commands of the README do before anything is built, with stand-ins for the system's package tools."""

import os
import re
import sys

import bv
import pytest

INSTALL = bv.SOURCE / "tools" / "install.sh"
DEBUG = bv.SOURCE / "launch" / "debug.sh"
TESTS = bv.SOURCE / "tests" / "run.sh"


def wanted_packages():
    """Name and minimum version (may be empty) of every listed system package."""
    lines = (bv.SOURCE / "tools" / "packages-debian.txt").read_text().splitlines()
    return [line.removesuffix("?").partition(">=")[::2] for line in lines if line and not line.startswith("#")]


@pytest.fixture
def system(tmp_path):
    """Runs install.sh on a system where only the packages given (name to version) are installed; returns what was
    asked of apt-get and the result. `unknown` is a package that apt does not have; without `lists` it knows, before
    apt-get update, only what is installed."""

    def install(packages, environment=sys.prefix, flags=(), unknown="nothing", lists=True):
        tools = tmp_path / "tools"
        tools.mkdir(exist_ok=True)
        listing = "".join(f"ii  {name} {version}\\n" for name, version in packages.items())
        log = tmp_path / "asked"
        for name, script in {
            "dpkg-query": f"printf '{listing}'",
            "apt-get": f'echo "$@" >>{log}',
            "apt-cache": f'[[ $2 != {unknown} ]]' if lists else f'[[ -e {log} || $* == "show bash" ]]',
            "sudo": 'shift; "$@"',
            "nvidia-smi": "exit 9",
        }.items():
            (tools / name).write_text(f"#!/usr/bin/env bash\n{script}\n")
            (tools / name).chmod(0o755)
        env = {"PATH": f"{tools}:{os.environ['PATH']}", "BV_VENV": str(environment)}
        result = bv.run_command([INSTALL, *flags], env=env)
        return log.read_text() if log.exists() else "", result

    return install


def test_nothing_is_asked_for_where_nothing_is_missing(system):
    asked, result = system({name: minimum or "1" for name, minimum in wanted_packages()})
    assert asked == ""
    assert result.stdout == f"{sys.prefix}\n"


def test_only_missing_packages_are_installed(system):
    packages = {name: minimum or "1" for name, minimum in wanted_packages()}
    del packages["ninja-build"]
    asked, _ = system(packages)
    assert "install" in asked and "ninja-build" in asked
    assert "cmake" not in asked and "g++" not in asked


def test_a_package_that_not_every_system_has_is_installed_where_apt_knows_it(system):
    packages = {name: minimum or "1" for name, minimum in wanted_packages()}
    del packages["chromium"]
    assert system(packages, unknown="chromium")[0] == ""
    assert system(packages)[0].split()[-1] == "chromium"
    del packages["cmake"]
    assert system(packages, unknown="chromium")[0].split()[-1] == "cmake"


def test_a_package_that_not_every_system_has_is_installed_in_a_new_container(system):
    packages = {name: minimum or "1" for name, minimum in wanted_packages()}
    del packages["chromium"]
    assert system(packages, lists=False)[0].split()[-1] == "chromium"


def test_what_clang_needs_is_installed_for_them_alone(system):
    packages = {name: minimum or "1" for name, minimum in wanted_packages()}
    assert system(packages)[0] == ""
    assert "clang-16" in system(packages, flags=["--clang"])[0]


def test_package_older_than_the_list_says_is_missing(system):
    packages = {name: minimum or "1" for name, minimum in wanted_packages()}
    asked, _ = system(packages | {"cmake": "3.18.4-2", "libfmt-dev": "10.1.1"})
    assert "cmake" in asked
    assert "libfmt-dev" not in asked


def test_name_that_only_begins_as_another_is_no_stand_in(system):
    packages = {name: minimum or "1" for name, minimum in wanted_packages()}
    del packages["cmake"]
    asked, _ = system(packages | {"cmake-data": "3.25.1"})
    assert "cmake" in asked


def test_existing_environment_is_left_as_it_is(system, tmp_path):
    environment = tmp_path / "environment"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(sys.executable)
    _, result = system({name: minimum or "1" for name, minimum in wanted_packages()}, environment)
    assert result.stdout == f"{environment}\n"
    assert sorted(path.name for path in environment.iterdir()) == ["bin"]


def test_a_new_environment_gets_the_linters_in_the_same_call(tmp_path):
    """The stand-in for Python makes a virtual environment whose own Python writes down what it is asked to install."""
    (tmp_path / "python").write_text(
        "#!/usr/bin/env bash\n"
        f'case "$*" in\n-m\\ venv*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;\n-m\\ pip*) echo "$@" >>{tmp_path}/asked ;;\n'
        f'*) exec {sys.executable} "$@" ;;\nesac\n')
    (tmp_path / "python").chmod(0o755)
    env = {"BV_VENV": str(tmp_path / "environment"), "BV_BASE_PYTHON": str(tmp_path / "python")}
    result = bv.run_command([INSTALL, "--lint"], env=env, timeout=60)
    assert result.stdout == f"{tmp_path}/environment\n"
    assert "tools/requirements-lint.txt" in (tmp_path / "asked").read_text().splitlines()[-1]


@pytest.mark.parametrize("command", [INSTALL, DEBUG, TESTS, bv.SOURCE / "tools" / "build.sh",
                                     bv.SOURCE / "tools" / "lint.sh"])
def test_help_is_answered_at_once(command):
    result = bv.run_command([command, "--help"], timeout=10)
    assert result.stdout.startswith("Usage: ")
    assert result.stderr == ""


@pytest.mark.parametrize("command, complaint", [
    ([DEBUG, "--sqad", "x"], "unknown argument '--sqad'"),
    ([DEBUG, "--ranks", "none"], "--ranks is 'none', not a positive whole number"),
    ([DEBUG, "--model"], "--model wants a value"),
    ([DEBUG, "--squad", "/"], "/ holds neither train.json and dev.json nor train-v2.0.json and dev-v2.0.json"),
    ([DEBUG, "--config", "/nowhere.toml"], "/nowhere.toml is no file"),
    ([TESTS, "units"], "unknown label 'units'"),
])
def test_mistakes_of_use_end_before_any_work(command, complaint):
    result = bv.run_command(command, check=False, timeout=10)
    assert result.rc == 2
    assert result.stderr.startswith("error: ") and complaint in result.stderr
    assert result.stderr.count("\n") == 1


def test_installed_programs_find_their_libraries(tmp_path):
    """Without LD_LIBRARY_PATH, and without the loader's cache, which may know a library by chance."""
    bv.run_command(["cmake", "--install", bv.BIN.parent, "--prefix", tmp_path])
    programs = sorted((tmp_path / "bin").iterdir())
    assert "bv_train" in [program.name for program in programs]
    for program in programs:
        loader = re.search(r"program interpreter: ([^]]+)", bv.run_command(["readelf", "--program-headers", program]).stdout)[1]
        version = bv.run_command([loader, "--inhibit-cache", program, "--version"], env={"LD_LIBRARY_PATH": ""}).stdout
        assert version.startswith(f"{program.name} ")
