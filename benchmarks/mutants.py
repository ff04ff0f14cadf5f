"""How much of the scientific core the tests hold: small changes of the code that they notice.

Operators are those of Cosmic Ray; its runner edits the working tree, one change at a time, and runs
every test for each. Here each worker has a copy of the repository, in which it changes one module,
and runs the tests of that module and of the wiring until one fails.
"""

import argparse
import ast
import difflib
import math
import os
import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

from cosmic_ray.ast import get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).resolve().parents[1]
PYTHON = str(ROOT / ".venv/bin/python")
SKIPPED = ("RemoveDecorator", "ExceptionReplacer", "Variable")  # no change of a number

# Modules by the wiring that they are part of, and test files beside `test_<module>.py`.
CORE = {
    "network": "training descent networks stack blocks optimiser recipe preprocessing folds",
    "covariance": "covariance covariance_file passes moments",
    "alignment": "alignment alignment_file pair pairs together views null unrelated neighbours "
    "measured measures procrustes",
    "consensus": "consensus",
    "clipping": "clipping components reruns",
    "generation": "generation sampling gaussian",
    "": "architecture families resnet residual augmentation spectra learned intervals scales bands "
    "summary numbers drawn curves table quantities scores along epochs matching comparison "
    "configuration/comparisons results/comparisons adoption checkpoints network_file responses "
    "members sizes decompositions recorded arrays chained",
}
TESTS = {
    "training": "stack checkpoint", "descent": "training stack checkpoint trained",
    "blocks": "families sampling scattering", "optimiser": "trained", "recipe": "trained config",
    "alignment_file": "alignment", "pair": "alignment", "null": "alignment",
    "measured": "alignment undefined", "drawn": "summary", "covariance_file": "covariance",
    "passes": "covariance",
    "preprocessing": "data",
    "scales": "intervals", "bands": "intervals", "moments": "covariance", "curves": "summary",
    "components": "clipping", "reruns": "resnet", "residual": "resnet",
    "pairs": "alignment comparisons along", "together": "along comparisons",
    "views": "unrelated comparisons", "neighbours": "alignment", "scores": "summary",
    "along": "along_curves", "epochs": "along alignment", "matching": "comparisons",
    "comparison": "comparisons",
    "configuration/comparisons": "comparisons_config", "members": "comparisons_config",
    "results/comparisons": "members", "adoption": "responses", "checkpoints": "adoption",
    "network_file": "adoption networks", "chained": "modules",
    "table": "summary", "numbers": "summary", "spectra": "learned alignment clipping",
}  # fmt: skip


def tests(module: str) -> list[str]:
    """The test files that should notice a change of a module."""
    part = next(part for part, modules in CORE.items() if module in modules.split())
    wiring = [part] if part else ["alignment", "clipping"] if module == "spectra" else []
    names = [module, *TESTS.get(module, "").split()]
    files = [f"tests/test_{name}.py" for name in names]
    files += [f"tests/wiring/test_{name}_h5.py" for name in wiring]
    return [name for name in dict.fromkeys(files) if (ROOT / name).exists()]


class Meaning(ast.NodeTransformer):
    """Leaves what a program computes: no annotations, and nothing that it logs."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_arguments(self, node: ast.arguments) -> ast.AST:
        node.args = [*node.posonlyargs, *node.args, *node.kwonlyargs]  # by name or not is no matter
        node.defaults = [*node.defaults, *(each for each in node.kw_defaults if each)]
        node.posonlyargs, node.kwonlyargs, node.kw_defaults = [], [], []
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return ast.Pass() if ast.unparse(node).startswith("logger.") else self.generic_visit(node)


def meaning(code: str) -> str:
    return ast.dump(Meaning().visit(ast.parse(code)))


def source(module: str) -> Path:
    """The file of a module of the core, with its folder where two have the name; figures have names
    like these."""
    package = ROOT / "latentdims"
    if module == "families":
        return package / "models" / "families" / "__init__.py"
    (found,) = (p for p in package.rglob(f"{module}.py") if "figures" not in p.parts)
    return found


def mutants(module: str) -> Iterator[str]:
    """The code of a module with each change that changes its meaning, once."""
    code = source(module).read_text(encoding="utf-8")
    seen = {meaning(code)}
    for name in sorted(operator_names()):
        if any(skipped in name for skipped in SKIPPED):
            continue
        operator, number = get_operator(name)(), 0
        while (changed := mutate_code(code, operator, number)) is not None:
            number += 1
            try:
                found = meaning(changed)
            except SyntaxError:
                continue
            if found not in seen:
                seen.add(found)
                yield changed


def sample(all_of: dict[str, list[str]], size: int, seed: int) -> list[tuple[str, str]]:
    """As many of each module as is its share, at least one; all, where the size is 0."""
    total, chosen = sum(map(len, all_of.values())), []
    for module, found in all_of.items():
        number = len(found) if size == 0 else max(1, round(size * len(found) / total))
        picked = random.Random(f"{seed} {module}").sample(found, min(number, len(found)))
        chosen += [(module, each) for each in picked]
    return chosen


def copy(folder: Path) -> Path:
    """The tracked files of the repository, as they are in the working tree."""
    shutil.rmtree(folder, ignore_errors=True)
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, encoding="utf-8")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def run(folder: Path, module: str, code: str | None, limit: float) -> str:
    """`killed`, `survived` or `timeout`, of the tests in a copy with other code of a module."""
    place = folder / source(module).relative_to(ROOT)
    original = place.read_text(encoding="utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(folder / ".tmp")}
    (folder / ".tmp").mkdir(exist_ok=True)
    command = [PYTHON, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider"]
    try:
        place.write_text(code or original, encoding="utf-8")
        with subprocess.Popen(
            [*command, *tests(module)], cwd=folder, env=environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            try:
                return "killed" if process.wait(limit) else "survived"
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                return "timeout"
    finally:
        place.write_text(original, encoding="utf-8")
        shutil.rmtree(folder / ".tmp", ignore_errors=True)


def wilson(part: int, whole: int) -> tuple[float, float]:
    """95 % interval of a share, in percent."""
    z, share = 1.96, part / whole
    middle = (share + z**2 / (2 * whole)) / (1 + z**2 / whole)
    half = z * math.sqrt(share * (1 - share) / whole + z**2 / (4 * whole**2)) / (1 + z**2 / whole)
    return 100 * (middle - half), 100 * (middle + half)


def difference(module: str, code: str) -> str:
    original = get_ast(source(module).read_text(encoding="utf-8")).get_code()
    lines = (each.splitlines(keepends=True) for each in (original, code))
    name = source(module).relative_to(ROOT)
    return "".join(difflib.unified_diff(*lines, f"a/{name}", f"b/{name}", n=2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    known = [module for modules in CORE.values() for module in modules.split()]
    parser.add_argument("folder", type=Path, help="for copies, survivors.diff and the table")
    parser.add_argument("--modules", nargs="*", help="of these alone", choices=known)
    parser.add_argument("--sample", type=int, help="how many; 400, or all of the modules named")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--limit", type=float, default=60, help="seconds for each")
    given = parser.parse_args()
    folder, modules = given.folder.resolve(), given.modules or known
    idle: Queue[Path] = Queue()
    for number in range(given.workers):
        idle.put(copy(folder / f"worker{number}"))

    def judge(item: tuple[str, str | None]) -> str:
        place = idle.get()
        try:
            return run(place, *item, given.limit)
        finally:
            idle.put(place)

    with ThreadPoolExecutor(given.workers) as pool:
        whole = list(pool.map(judge, [(module, None) for module in modules]))
        broken = [m for m, found in zip(modules, whole, strict=True) if found != "survived"]
        if broken:
            raise SystemExit(f"error: without any change, the tests fail of {', '.join(broken)}")
        all_of = {module: list(mutants(module)) for module in modules}
        size = given.sample or (0 if given.modules else 400)
        chosen = sample(all_of, size, given.seed)
        counts: dict[str, Counter[str]] = {module: Counter() for module in modules}
        survivors = ""
        for item, found in zip(chosen, pool.map(judge, chosen), strict=True):
            counts[item[0]][found] += 1
            survivors += difference(*item) if found == "survived" else ""
            (folder / "survivors.diff").write_text(survivors, encoding="utf-8")
    report(folder, counts)


def report(folder: Path, counts: dict[str, Counter[str]]) -> None:
    """Print the table of modules and the score; a timeout counts as noticed."""
    lines = [f"{'module':16} {'killed':>8} {'survived':>8} {'timeout':>8}"]
    total = sum(counts.values(), Counter())
    for module, found in [*counts.items(), ("all", total)]:
        cells = (f"{found[kind]:8}" for kind in ("killed", "survived", "timeout"))
        lines.append(f"{module:16} {' '.join(cells)}")
    whole = sum(total.values())
    noticed = whole - total["survived"]
    low, high = wilson(noticed, whole)
    lines.append(f"score {100 * noticed / whole:.1f} % [{low:.1f}, {high:.1f}] of {whole} mutants")
    (folder / "table.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines), "\nsurvivors:", folder / "survivors.diff")


if __name__ == "__main__":
    main()
