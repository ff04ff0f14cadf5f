"""Jobs as forks of a server that has already imported slow modules.

A run on one machine starts the server. A script that enters it asks for a fork, which runs the
script from its beginning, and waits. The fork has the arguments, environment, folder and streams of
the process of the script. That process forwards its signals to the fork, and ends when the fork
does. Without a server, as in jobs on a cluster, a script continues in its own process.
"""

import atexit
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from importlib import import_module
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, NoReturn

SERVER = "LATENTDIMS_FORKSERVER"  # the environment variable with its folder, and its Python
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
MODULES = {  # by the name that a script enters, what is there for it
    "torch": ("torch", "h5py", "scipy.linalg", "scipy.special", "snakemake.script"),
    "matplotlib": ("latentdims.figures.style", "h5py", "snakemake.script"),
}
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LENGTH = 8  # bytes of the length of a request


def start() -> None:
    """Start a server, which ends with this process; jobs find it through their environment. Only on
    Linux: system libraries elsewhere do not support forks."""
    if sys.platform != "linux":
        return
    with ExitStack() as made:
        try:
            folder = tempfile.mkdtemp(prefix="latentdims-")  # which other users cannot enter
            made.callback(shutil.rmtree, folder, ignore_errors=True)
            listeners = [made.enter_context(_listen(Path(folder, name))) for name in MODULES]
        except OSError:  # a disk that is full, or too long a path: jobs go without
            return
        made.pop_all()
    server = subprocess.Popen(
        [sys.executable, "-P", __file__, folder, *(str(each.fileno()) for each in listeners)],
        stdin=subprocess.PIPE,  # whose other end closes with this process
        pass_fds=[each.fileno() for each in listeners],
        env={**os.environ, **dict.fromkeys(THREADS, "1")},
    )
    for each in listeners:
        each.close()
    atexit.register(server.communicate)
    os.environ[SERVER] = os.pathsep.join([folder, sys.executable])


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(str(path))
    except OSError:
        listener.close()
        raise
    listener.listen(1024)
    return listener


def enter(name: str) -> None:
    """Run this script in a fork of the server, and end when it does. Continue here if there is no
    server, if it has another Python, as with conda, or if a job has several threads, whose number a
    process fixes when it imports.

    name: of `MODULES`.
    """
    folder, _, python = os.environ.pop(SERVER, "").partition(os.pathsep)
    if python != sys.executable or any(os.environ.get(each) != "1" for each in THREADS):
        return
    asked = {"arguments": sys.argv, "folder": str(Path.cwd()), "environment": dict(os.environ)}
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)  # those that come now wait
    try:
        connection = _ask(str(Path(folder, name)), json.dumps(asked).encode())
    except OSError:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
        return

    def pass_on(number: int, _: FrameType | None) -> None:
        with suppress(OSError):
            connection.send(bytes([number]))

    for number in PASSED_ON:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
    told = b""
    with suppress(OSError):
        told = connection.recv(LENGTH)
    _end(int.from_bytes(told, "big") if told else signal.SIGKILL)


def _ask(server: str, request: bytes) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(server)
    socket.send_fds(connection, [len(request).to_bytes(LENGTH, "big")], [0, 1, 2])
    connection.sendall(request)
    return connection


def _end(status: int) -> NoReturn:
    """End as another process did; status: what waitpid returned."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def serve(folder: str, listeners: Sequence[socket.socket]) -> None:
    """Until standard input ends. A process of its own serves each socket, from the first job on."""
    for number in (signal.SIGINT, signal.SIGTERM):  # jobs get theirs by those that wait for them
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    waiting = dict(zip(listeners, MODULES.values(), strict=True))
    while sys.stdin not in (ready := _ready(sys.stdin, *waiting)):
        for listener in ready:
            modules = waiting.pop(listener)
            if os.fork() == 0:
                for other in waiting:
                    other.close()
                return _serve(listener, modules)
            listener.close()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _serve(listener: socket.socket, modules: Sequence[str]) -> None:
    for module in modules:
        with suppress(Exception):  # which the job will meet, and tell
            import_module(module)
    while sys.stdin not in _ready(sys.stdin, listener):
        connection = listener.accept()[0]
        if os.fork() == 0:
            listener.close()
            return _attend(connection)
        connection.close()
    os._exit(0)


def _ready(*readers: Any) -> list[Any]:
    return select.select(readers, [], [])[0]


def _attend(connection: socket.socket) -> None:
    """Run a request in a fork of this process, and kill it if nobody waits for it."""
    os.setpgid(0, 0)
    header, streams, *_ = socket.recv_fds(connection, LENGTH, 3)
    length = int.from_bytes(header, "big")
    request = connection.recv(length, socket.MSG_WAITALL)
    if not header or len(request) < length:  # the script was killed before it had asked
        os._exit(0)
    ended, end = os.pipe()
    os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(end)
    job = os.fork()
    if job == 0:
        signal.set_wakeup_fd(-1)
        for descriptor in (ended, end):
            os.close(descriptor)
        connection.close()
        return _become(streams, **json.loads(request))
    for stream in streams:
        os.close(stream)
    while True:
        ready = _ready(connection, ended)
        if ended in ready:
            os.read(ended, 1)
            process, status = os.waitpid(job, os.WNOHANG)
            if process:
                with suppress(OSError):
                    connection.sendall(status.to_bytes(LENGTH, "big"))
                os._exit(0)
        if connection in ready:
            numbers = connection.recv(LENGTH)
            if not numbers:
                os.killpg(0, signal.SIGKILL)
            for number in numbers:
                os.kill(job, number)


def _become(
    streams: Sequence[int], arguments: list[str], folder: str, environment: dict[str, str]
) -> None:
    """Become the process of a script, as if it had been started with these."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    if "numpy" in sys.modules:  # else its global generator would be the same in all jobs
        sys.modules["numpy"].random.seed()
    script = Path(arguments[0])
    sys.argv = arguments
    sys.path.insert(0, str(script.parent))
    main = ModuleType("__main__")
    main.__file__ = str(script)
    sys.modules["__main__"] = main
    exec(compile(script.read_bytes(), script, "exec"), vars(main))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    serve(sys.argv[1], [socket.socket(fileno=int(each)) for each in sys.argv[2:]])
