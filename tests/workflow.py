"""Running the workflow in a copy of the repository, and reading what it would run."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
CODE = ("Snakefile", "config.yaml", "configs", "rules", "scripts", "latentdims")
CODE += ("profiles", "report", "envs")

TINY: dict[str, Any] = {
    "datasets": {
        "shapes": {"source": "embedded", "train_samples": 200, "test_samples": 100},
    },
    "networks": {
        "mlp": {"architecture": "mlp", "widths": [12, 8]},
        "cnn": {"architecture": "cnn", "channels": [4, 6], "kernel_size": 5, "stride": 3},
    },
    "seeds": 2,
    "training": {"epochs": 1},
    "alignment": {"neighbours": 3},
    "generation": {"draws": 2, "classifiers": ["flattened"]},
}


Plan = Callable[[Sequence[str], Path, Mapping[str, str]], subprocess.CompletedProcess[str]]


class Workflow:
    """A copy of the repository's workflow in a folder of its own, with a configuration."""

    # How a plan is made: `forked.snakemake` of the tests, or, where None, as people make it.
    plan: Plan | None = None

    def __init__(self, folder: Path, config: dict[str, Any] | None = None) -> None:
        self.folder = folder
        self.flags: tuple[str, ...] = ("--resources", "gpu=0", "--cores", "2")
        self.environment = {**os.environ, "PYTHONWARNINGS": "default"}
        if config is not None:
            folder.mkdir(parents=True)
            for name in CODE:
                source = ROOT / name
                copy = shutil.copytree if source.is_dir() else shutil.copy2
                copy(source, folder / name)
            self.configure(config)

    def copy(self, folder: Path) -> "Workflow":
        """With all results, and their times."""
        shutil.copytree(self.folder, folder, copy_function=shutil.copy2, symlinks=True)
        return Workflow(folder)

    def configure(self, config: dict[str, Any]) -> None:
        (self.folder / "config.yaml").write_text(
            yaml.safe_dump(config, sort_keys=False), encoding="utf-8"
        )

    def start(self, *arguments: str, largest_file: int | None = None) -> subprocess.Popen[str]:
        """In the background; with a largest file, of so many bytes, what goes beyond fails."""

        def begin() -> None:
            # What a shell starts in the background ignores interrupts, and hands that on.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            if largest_file is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", *self.flags, *arguments],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=self.environment,
            preexec_fn=begin,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        if self.plan and "--dry-run" in arguments and not self._starts_another_python():
            command = [*self.flags, *arguments]
            return self.plan(command, self.folder, self.environment)
        with self.start(*arguments) as process:
            output, errors = process.communicate()
        return subprocess.CompletedProcess(arguments, process.returncode, output, errors)

    def _starts_another_python(self) -> bool:
        """Whether a variable was changed that Python reads when it starts."""
        changed = {name for name, _ in set(self.environment.items()) ^ set(os.environ.items())}
        return any(
            name.startswith(("PYTHON", "LANG", "LC_")) for name in changed - {"PYTHONWARNINGS"}
        )

    def complete(self, *arguments: str) -> str:
        """Run, and fail with all output where the workflow does."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def planned(self, *arguments: str) -> Counter[str]:
        """How often each rule would run."""
        output = self.complete("--dry-run", *arguments)
        if "Nothing to be done" in output:
            return Counter()
        table = output.split("Job stats:")[1].split("total")[0]
        return Counter(
            {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.M)}
        )

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{file} holds no {old}"
        path.write_text(text.replace(old, new), encoding="utf-8")
