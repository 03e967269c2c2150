"""How the tests themselves fail: when they are skipped for a reason that tests/allowed_skips.txt does not name, and in short time."""

import sys

import bv

NOT_NAMED = "skipped for a reason that tests/allowed_skips.txt does not name: no moon tonight"
SKIPPED = """\
import pytest

def test_known():
    pytest.skip("gdb is missing")

@pytest.fixture
def moon():
    pytest.skip("no moon tonight")

def test_unknown(moon):
    pass
"""


def test_an_unknown_reason_fails_a_test_of_googletest():
    result = bv.run("skip_probe", check=False)
    assert result.rc == 1
    assert result.stdout.count(NOT_NAMED) == 1
    assert "[  FAILED  ] Skip.Unknown" in result.stdout and "[  SKIPPED ] Skip.Known" in result.stdout
    # CTest takes a test for skipped, whatever its exit code, where this is printed.
    assert "[  SKIPPED ]" not in bv.run("skip_probe", "--gtest_filter=Skip.Unknown", check=False).stdout
    assert bv.run("skip_probe", "--gtest_filter=Skip.Known").rc == 0


def test_an_unknown_reason_fails_a_test_of_pytest(tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_skipped.py").write_text(SKIPPED)
    (tmp_path / "test_never_read.py").write_text('import pytest\npytest.skip("no moon tonight", allow_module_level=True)\n')
    pytest = [sys.executable, "-m", "pytest", "-p", "allowed_skips", "-p", "no:cacheprovider", "-rsfE"]
    result = bv.run_command([*pytest, tmp_path / "test_skipped.py"], check=False)
    assert result.rc == 1
    assert NOT_NAMED in result.stdout and "1 skipped, 1 error" in result.stdout, result.stdout
    result = bv.run_command([*pytest, tmp_path / "test_never_read.py"], check=False)
    assert result.rc != 0 and NOT_NAMED in result.stdout, result.stdout


def test_different_files_are_told_in_short_time_on_a_ci_machine(tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_files.py").write_text("""\
def test_same():
    assert {"epoch-1": bytes(range(256)) * 20000} == {"epoch-1": bytes(range(255, -1, -1)) * 20000}
""")
    result = bv.run_command([sys.executable, "-m", "pytest", "-p", "short_differences", "-p", "no:cacheprovider", tmp_path / "test_files.py"],
                            check=False, timeout=60, env={"CI": "true"})
    assert result.rc == 1 and "Differing items" in result.stdout and len(result.stdout) < 10_000
