"""What `make install` says, in one line, when something is missing.

Each test runs the script in a copy of the few files it needs, with a PATH that holds
only stand-ins, so that nothing is installed.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
TOOLS = ["sh", "dirname", "cat", "cksum", "awk", "df", "grep", "rm", "mkdir", "chmod"]
ENOUGH_DISK = "echo header; echo 'disk 1 1 99999999 1% /'"


class Machine:
    """A checkout and a PATH of stand-ins."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "checkout"
        self.path = folder / "bin"
        self.path.mkdir()
        for tool in TOOLS:
            (self.path / tool).symlink_to(shutil.which(tool) or "/bin/false")
        (self.checkout / "scripts").mkdir(parents=True)
        shutil.copy(REPOSITORY / "scripts" / "make_venv.sh", self.checkout / "scripts")
        for name in ("pyproject.toml", "constraints.txt"):
            shutil.copy(REPOSITORY / name, self.checkout)
        self.put("df", ENOUGH_DISK)

    def put(self, name: str, script: str) -> None:
        """Put a program on the PATH."""
        program = self.path / name
        program.unlink(missing_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def put_python(self, name: str, version: str, *, venv: str = "exit 0") -> None:
        """Put a Python that answers only what the script asks."""
        new = "1" if tuple(map(int, version.split("."))) < (3, 11) else "0"
        script = f"""case "$*" in
            *"version_info <"*) exit {new} ;;
            *"import venv"*) {venv} ;;
            *version_info*) echo {version} ;;
            *"-m venv"*) {self.fake_venv} ;;
        esac"""
        self.put(name, script)

    fake_venv = """
        mkdir -p .venv/bin
        printf '#!/bin/sh\\ntouch pip-was-called; exit "$(cat pip-exit)"\\n' \
            >.venv/bin/python
        printf '#!/bin/sh\\n' >.venv/bin/voxray
        chmod +x .venv/bin/python .venv/bin/voxray"""

    def install(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the script."""
        return subprocess.run(
            ["sh", str(self.checkout / "scripts" / "make_venv.sh"), *arguments],
            env={"PATH": str(self.path)},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def machine(tmp_path):
    made = Machine(tmp_path)
    made.put("touch", f': >"$1"; exec {shutil.which("touch")} "$1"')
    (made.checkout / "pip-exit").write_text("0")
    return made


def assert_one_error(done: subprocess.CompletedProcess[str], text: str) -> None:
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert text in done.stderr


def test_no_python_is_one_line(machine):
    assert_one_error(machine.install(), "no Python was found")


def test_an_old_python_is_named(machine):
    machine.put_python("python3", "3.9.2")
    done = machine.install()
    assert_one_error(done, "Python 3.9.2 is too old, voxray needs 3.11 or newer")
    assert not (machine.checkout / ".venv").exists()


def test_a_newer_python_beside_an_old_one_is_used(machine):
    machine.put_python("python3", "3.9.2")
    machine.put_python("python3.12", "3.12.1")
    done = machine.install()
    assert done.returncode == 0, done.stderr
    assert "making .venv with Python 3.12.1" in done.stdout


def test_the_python_that_is_asked_for_is_used(machine):
    machine.put_python("python3", "3.11.7")
    machine.put_python("mine", "3.9.2")
    assert_one_error(machine.install("mine"), "Python 3.9.2 is too old")


def test_a_python_without_venv_is_told(machine):
    machine.put_python("python3", "3.11.7", venv="exit 1")
    assert_one_error(machine.install(), "has no venv module; install it")


def test_a_full_disk_is_told_with_numbers(machine):
    machine.put_python("python3", "3.11.7")
    machine.put("df", "echo header; echo 'disk 1 1 2097152 99% /'")
    assert_one_error(machine.install(), "only 2 GB are free in ")


def test_a_failed_installation_is_done_again(machine):
    machine.put_python("python3", "3.11.7")
    (machine.checkout / "pip-exit").write_text("1")
    failed = machine.install()
    (machine.checkout / "pip-exit").write_text("0")
    again = machine.install()
    assert failed.returncode == 1
    assert "installation failed" in failed.stderr
    assert again.returncode == 0
    assert "voxray is installed" in again.stdout


def test_the_second_time_nothing_is_done(machine):
    machine.put_python("python3", "3.11.7")
    machine.install()
    (machine.checkout / "pip-was-called").unlink()
    done = machine.install()
    assert (done.returncode, done.stdout) == (0, "")
    assert not (machine.checkout / "pip-was-called").exists()


def test_changed_constraints_are_installed(machine):
    machine.put_python("python3", "3.11.7")
    machine.install()
    (machine.checkout / "constraints.txt").write_text("numpy==2.0.0\n")
    assert "installing 1 packages" in machine.install().stdout


def test_constraints_are_exact_and_name_no_index():
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(line.count("==") == 1 and "+" not in line for line in pins)
    assert "torch==2.13.0" in pins
    assert not any(word in line for line in lines for word in ("://", "--"))


def refuse_skips(tmp_path: Path, case: str) -> subprocess.CompletedProcess[str]:
    report = tmp_path / "tests.xml"
    report.write_text(f"<testsuites><testsuite>{case}</testsuite></testsuites>")
    script = REPOSITORY / "scripts" / "refuse_skips.py"
    command = [sys.executable, str(script), str(report)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("inside", "code"),
    [
        ("", 0),
        ('<skipped type="pytest.skip" message="no data"/>', 1),
        ('<skipped type="pytest.xfail" message="known"/>', 0),
    ],
)
def test_ci_refuses_a_skipped_test(tmp_path, inside, code):
    case = f'<testcase classname="a" name="b">{inside}</testcase>'
    done = refuse_skips(tmp_path, case)
    assert done.returncode == code
    assert ("a::b: no data" in done.stderr) == bool(code)
