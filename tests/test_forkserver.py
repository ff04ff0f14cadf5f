"""Jobs as forks: a script in a fork is as one in a process of its own, and ends as one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from workflow import ROOT

from latentdims.workflow import forkserver

START = """
import os, sys
from latentdims.workflow import forkserver
forkserver.start()
print(os.environ[forkserver.SERVER].split(os.pathsep)[0], flush=True)
sys.stdin.read()
"""
ENTER = """
import sys
if "after" in vars():
    raise SystemExit("a name of the server")
from latentdims.workflow import forkserver
forkserver.enter(NAME)
after = True
"""
TELL = """
import json, os
print("with", "torch" in sys.modules)
json.dump({"argv": sys.argv, "cwd": os.getcwd(), "path": sys.path[0], "file": __file__,
           "name": __name__, "environment": dict(os.environ)}, sys.stderr)
"""
PLAIN = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
ONE = dict.fromkeys(forkserver.THREADS, "1")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The folder of one to which h5py is broken."""
    broken = tmp_path_factory.mktemp("broken")
    (broken / "h5py.py").write_text("raise OSError('no HDF5 here')", encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, "-c", START],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=PLAIN | {"PYTHONPATH": f"{broken}:{ROOT}"},
        encoding="utf-8",
    ) as process:
        folder = Path(process.stdout.readline().strip())
        assert folder.stat().st_mode & 0o077 == 0  # nobody else runs code as this user
        yield folder
        process.stdin.close()
        assert process.wait(10) == 0
    assert not folder.exists()


@pytest.fixture
def script(tmp_path):
    """Makes one that enters the server; returns its command."""

    def make(body: str, *arguments: str, name: str = "torch") -> list[str]:
        folder = tmp_path / "where it lies"
        folder.mkdir(exist_ok=True)
        path = folder / "script.py"
        path.write_text(ENTER.replace("NAME", repr(name)) + body, encoding="utf-8")
        return [sys.executable, str(path), *arguments]

    return make


def environment(folder: Path | None, **more: str) -> dict[str, str]:
    return {
        **PLAIN,
        **ONE,
        **({forkserver.SERVER: f"{folder}:{sys.executable}"} if folder else {}),
        **more,
    }


def run(command, given, **options):
    return subprocess.run(command, env=given, capture_output=True, encoding="utf-8", **options)


def test_a_fork_is_as_a_process_of_its_own_but_has_its_modules(server, script, tmp_path):
    command = script(TELL, "one", "two words")
    told = []
    for folder in (server, None):
        done = run(command, environment(folder, OWN="ü\n"), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"with {folder is not None}\n"
        told.append(json.loads(done.stderr))
    assert told[0] == told[1]
    assert told[0]["environment"]["OWN"] == "ü\n"


@pytest.mark.parametrize(
    ("given", "name"),
    [({}, "unheard of"), ({"OMP_NUM_THREADS": "2"}, "torch"), ({"MKL_NUM_THREADS": ""}, "torch")],
)
def test_without_a_server_for_it_a_script_goes_on_in_its_process(server, script, given, name):
    done = run(script(TELL, name=name), environment(server) | given)
    assert (done.returncode, done.stdout) == (0, "with False\n")


def test_another_python_goes_on_in_its_process(server, script):
    _, *arguments = script(TELL)
    done = run([sys._base_executable, *arguments], environment(server))
    assert (done.returncode, done.stdout) == (0, "with False\n")


def test_a_module_that_is_broken_is_met_by_the_job(server, script):
    done = run(
        script("print('torch' in sys.modules, flush=True); import h5py"), environment(server)
    )
    assert (done.returncode, done.stdout) == (1, "True\n")
    assert done.stderr.endswith("OSError: no HDF5 here\n")


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("sys.exit(3)", 3, ""),
        ("sys.exit('error: no images')", 1, "error: no images\n"),
        ("print('half', flush=True); raise ValueError('why')", 1, "ValueError: why\n"),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL, ""),
        ("import os; os.abort()", -signal.SIGABRT, ""),
        ("import atexit; atexit.register(lambda: sys.stderr.write('bye'))", 0, "bye"),
    ],
)
def test_a_script_ends_as_its_fork_does(server, script, body, status, said):
    done = run(script(body), environment(server))
    assert done.returncode == status
    assert done.stderr.endswith(said) and bool(done.stderr) == bool(said)


WAIT = """
import os, time, signal
try:
    print(os.getpid(), flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    time.sleep(0.5)  # to tidy up, which no second signal may end
    print("tidied", flush=True)
    sys.exit(130)
"""


def started(command, folder):
    """A script that waits in a fork, with a group of its own, and the process of the fork."""
    process = subprocess.Popen(
        command,
        env=environment(folder),
        stdout=subprocess.PIPE,
        encoding="utf-8",
        process_group=0,
        # What a shell starts in the background ignores interrupts, and hands that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    fork = int(process.stdout.readline())
    assert fork != process.pid
    return process, fork


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def test_an_interrupt_of_the_group_reaches_the_fork_once(server, script):
    process, _ = started(script(WAIT), server)
    with process:
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.read() == "interrupted\ntidied\n"
    assert process.returncode == 130


def test_a_job_that_is_ended_is_ended_in_its_fork(server, script):
    process, fork = started(script(WAIT), server)
    with process:
        process.terminate()
        assert process.wait(10) == -signal.SIGTERM
    assert not alive(fork)


def test_a_fork_whose_script_was_killed_is_killed_with_what_it_started(server, script):
    body = "import subprocess\nsubprocess.Popen(['sleep', '60'])\n" + WAIT
    process, fork = started(script(body), server)
    children = Path(f"/proc/{fork}/task/{fork}/children").read_text().split()
    assert len(children) == 1
    with process:
        process.kill()
        for _ in range(100):
            if not any(map(alive, [fork, *map(int, children)])):
                break
            time.sleep(0.1)
        else:
            pytest.fail("they go on")


def test_random_numbers_of_two_forks_differ(server, script):
    body = "import random, numpy\nprint(random.random(), numpy.random.random())"
    first, second = (run(script(body), environment(server)).stdout.split() for _ in range(2))
    assert len({*first, *second}) == 4


def test_many_at_once(server, script):
    command = script("print(sys.argv[1] * 20_000)", "x")
    given = environment(server, LONG="y" * 100_000)
    processes = [
        subprocess.Popen(
            [*command[:2], str(number)], env=given, stdout=subprocess.PIPE, encoding="utf-8"
        )
        for number in range(5)
    ]
    for number, process in enumerate(processes):
        assert process.communicate()[0] == str(number) * 20_000 + "\n"


def test_jobs_of_a_run_that_need_torch_or_matplotlib_are_forks(finished):
    lines = (finished.folder.with_suffix(".told") / "loaded.jsonl").read_text("utf-8").splitlines()
    forks = {True: set(), False: set()}
    for stamped, _, started in map(json.loads, lines):
        forks[any(each.endswith("forkserver.py") for each in started)].add(stamped.split()[0])
    entering = {
        path.name for path in (ROOT / "scripts").glob("*.py") if "enter(" in path.read_text()
    }
    assert forks[True] == {f"{name}.py" for name in ("train", "covariance", "align", "clip")} | {
        "generate.py",
        "figure.py",
    }
    assert not forks[False] & entering
    assert "prepare.py" in forks[False]


def test_where_no_socket_can_be_made_jobs_go_without(monkeypatch, tmp_path):
    monkeypatch.delenv(forkserver.SERVER, raising=False)
    for folder in (tmp_path / "full", tmp_path / ("long" * 30)):
        (tmp_path / ("long" * 30)).mkdir(exist_ok=True)
        monkeypatch.setattr(forkserver.tempfile, "tempdir", str(folder))
        forkserver.start()
        assert forkserver.SERVER not in os.environ
    assert list((tmp_path / ("long" * 30)).iterdir()) == []
