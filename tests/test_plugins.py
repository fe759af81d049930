"""Code of one's own by name: what the documentation shows runs as it stands; what only a file names never does."""

import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_code import LOSSES, OPERATIONS, PAGES, REWARD, SPACE, STRATEGY, TASK, TINY, TRACKER, rl_nas, write_examples

from rl_nas.__main__ import main
from rl_nas.admission import reward_of
from rl_nas.errors import UsageError
from rl_nas.evaluation.rewards import RewardSettings, make_reward
from rl_nas.execution.attempt import attempt
from rl_nas.networks import operations as plans
from rl_nas.networks.network import plan_network
from rl_nas.networks.operations import add_operation
from rl_nas.networks.own_operations import OperationSettings, find_operations
from rl_nas.networks.settings import NetworkSettings
from rl_nas.report.cell_picture import op_label
from rl_nas.spaces import operations as vocabulary
from rl_nas.spaces.catalog import find_space
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.strategies.catalog import StrategyOptions, find_strategy
from rl_nas.tasks.catalog import find_task
from rl_nas.tasks.classification.head import ClassificationHead
from rl_nas.trial import ChildError, Job, Measurement, TrialState

OWN = (STRATEGY, REWARD, OPERATIONS)
ONCE = "my_operations:once_5x5"
RUNS = {
    "processes": (*OWN, "--workers=2"),
    "inline": (*OWN, "--executor=inline"),
    "shallow": (SPACE, STRATEGY, TRACKER, "--executor=inline"),
    "losses": (*LOSSES, "--trials=2", "--executor=inline"),
}
"""Name of a run -> its flags, beside the tiny ones."""

WORKER = """
import json
import sys

from rl_nas.errors import UsageError
from rl_nas.workflows.children import make_evaluator
from rl_nas.workflows.config import SearchConfig

run, home = sys.argv[1:]
with open(f"{run}/config.json") as file:
    flags = {**SearchConfig().flags(), **json.load(file)["flags"]}
try:
    make_evaluator(flags, run)
except UsageError as error:
    print(str(error).partition(": ")[2].partition(";")[0])
make_evaluator(flags, run, folders=[home])
print("made")
"""

BROKEN = """
import rl_nas


def grows(ops, x, filters, stride):
    return ops.conv_bn(x, filters, (3, 3))


def raises(ops, x, filters, stride):
    return x.no_such_thing


def nothing(ops, x, filters, stride):
    pass


def large_alone(ops, x, filters, stride):
    if x.size[0] < 8:
        raise ZeroDivisionError("too small for me")
    return ops.conv_bn(x, filters, (3, 3), (stride, stride))


def of_two(one, two):
    pass


def silent(measurement):
    pass


class OfSpace:
    def __init__(self, space):
        pass


class Idle:
    def __init__(self, space, seed):
        pass


class Half(rl_nas.Task):
    pass


class Other:
    def __init__(self):
        raise AssertionError("it is not made")


def counts() -> int:
    raise AssertionError("it is not called")


number = 3
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_examples(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def searched(home: Path) -> Callable[[str], Path]:
    """Searches by name, once each; returns the run's folder."""

    def search(name: str) -> Path:
        folder = home / name
        if not folder.exists():
            tiny = [word for word in TINY if SPACE not in RUNS[name] or not word.startswith("--blocks")]
            done = rl_nas(home, "search", *tiny, *RUNS[name], f"--run_dir={folder}")
            assert done.returncode == 0, done.stderr
        return folder

    return search


@pytest.fixture
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the examples, as the working folder of this process; nothing stays of what is imported there."""
    monkeypatch.chdir(home)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(vocabulary, "_added", set())
    monkeypatch.setattr(plans, "OPERATION_PLANS", {name: plans.OPERATION_PLANS[name] for name in vocabulary.OPERATIONS})
    others = {name: sys.modules.pop(name) for name in [*sys.modules] if name.startswith("my_")}
    (home / "broken.py").write_text(BROKEN)
    (home / "needy.py").write_text("import no_such_module\n")
    (home / "garbled.py").write_text("x = = 3\n")
    (home / "leaves.py").write_text("import sys\n\nsys.exit(3)\n")
    yield home
    for name in [name for name, module in sys.modules.items() if str(home) in str(getattr(module, "__file__", ""))]:
        del sys.modules[name]
    sys.modules.update(others)


def rows(folder: Path, columns: str = "architecture, reward") -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "trials.sqlite")) as connection:
        return connection.execute(f"SELECT {columns} FROM trials ORDER BY number").fetchall()


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """What was told on standard error, a single line."""
    line, end = capsys.readouterr().err.split("\n")
    assert not end
    return line


@pytest.mark.long
class TestRuns:
    def test_every_flag_of_the_documentation_is_run(self) -> None:
        text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
        lines = [shlex.split(line) for line in re.findall(r"^    (rl_nas \w+ -.*)$", text, re.MULTILINE)]
        told = {word.partition("=")[2] for words in lines for word in words if re.search(r"=.*\bmy_\w+:\w+$", word)}
        assert told == {word.partition("=")[2] for word in (*OWN, *LOSSES, SPACE, TASK, TRACKER)} | {ONCE}

    def test_strategy_reward_and_operation_do_the_same_inline_and_in_workers(
        self, searched: Callable[[str], Path]
    ) -> None:
        inline, processes = rows(searched("inline")), rows(searched("processes"))
        assert inline == processes
        assert len(inline) == 4

    def test_strategy_climbs(self, searched: Callable[[str], Path]) -> None:
        """The README's: after the first batch, one choice of the best one differs."""
        *first, third, fourth = [(json.loads(one), reward) for one, reward in rows(searched("inline"))]
        best = max(first, key=lambda one: one[1])[0]
        for architecture, _ in (third, fourth):
            assert sum(np.not_equal(architecture, best)) <= 2  # a batch may repeat, and the next starts from a new best

    def test_reward_is_what_was_maximized(self, searched: Callable[[str], Path]) -> None:
        for reward, quality, parameters in rows(searched("processes"), "reward, quality, parameters"):
            assert reward == pytest.approx(quality - 0.1 * np.log10(parameters))

    def test_cells_are_made_of_the_operations(self, searched: Callable[[str], Path]) -> None:
        space = find_space(SpaceSettings(blocks=1), ("max_pool_3x3", "sep_5x5"))
        drawn = [
            space.decisions[place].choices[choice]
            for one, _ in rows(searched("inline"))
            for place, choice in enumerate(json.loads(one))
            if "/op" in space.decisions[place].name
        ]
        assert set(drawn) == {"max_pool_3x3", "sep_5x5"}
        document = json.loads((searched("inline") / "best" / "genotype.json").read_text())
        blocks = [block for cell in document["cells"].values() for block in cell["blocks"]]
        assert {op for block in blocks for op in block["ops"]} <= {"max_pool_3x3", ONCE}

    def test_loss_and_metric(self, searched: Callable[[str], Path]) -> None:
        """The quality is the own one, and beside another loss that was trained the cross-entropy has its name."""
        for reward, metrics in rows(searched("losses"), "reward, metrics"):
            assert reward == json.loads(metrics)["kappa"] < json.loads(metrics)["accuracy"]
            assert json.loads(metrics)["cross_entropy"] > 0

    def test_space(self, searched: Callable[[str], Path]) -> None:
        assert len(rows(searched("shallow"))) == 4

    def test_tracker(self, searched: Callable[[str], Path], home: Path) -> None:
        recorded = [(str(number), str(reward)) for number, reward in rows(searched("shallow"), "number, reward")]
        lines = (home / "shallow.csv").read_text().splitlines()
        told = [tuple(line.split(";")[:2]) for line in lines]
        assert list(dict.fromkeys(told)) == recorded  # networks that are proposed again are told again

    def test_resume_of_another_users_run_wants_the_code_again_and_goes_on(
        self, searched: Callable[[str], Path], home: Path, tmp_path: Path
    ) -> None:
        folder, elsewhere = searched("processes"), {"XDG_STATE_HOME": str(tmp_path)}
        for given in ((), (STRATEGY, REWARD)):
            refused = rl_nas(home, "search", "--resume", f"--run_dir={folder}", "--trials=5", *given, **elsewhere)
            assert refused.returncode == 2
            assert len(refused.stderr.splitlines()) == 1
            assert "which you did not start here" in refused.stderr
            assert f"--operations={OPERATIONS.partition('=')[2]}" in refused.stderr
        resumed = rl_nas(home, "search", "--resume", f"--run_dir={folder}", "--trials=5", *OWN, **elsewhere)
        assert resumed.returncode == 0, resumed.stderr
        again = rl_nas(home, "search", "--resume", f"--run_dir={folder}", "--trials=6", **elsewhere)
        assert again.returncode == 0, again.stderr
        assert len(rows(folder)) == 6

    def test_worker_with_another_working_folder(
        self, searched: Callable[[str], Path], home: Path, tmp_path: Path
    ) -> None:
        """As Ray's are: it is told where the driver looks."""
        script = tmp_path / "worker.py"
        script.write_text(WORKER)
        words = [sys.executable, "-P", script, searched("inline"), home]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.stdout.splitlines() == ["No module named 'my_operations'", "made"], done.stderr

    def test_training_with_an_operation_and_a_task(self, home: Path) -> None:
        genotype, folder = home / "own.json", home / "trained"
        genotype.write_text(json.dumps(genotype_of(ONCE)))
        words = (f"--genotype={genotype}", "--dataset=digits", "--network=proxy", "--cells=1", "--filters=2", TASK)
        words = (*words, "--reductions=1", "--epochs=1", f"--run_dir={folder}")
        refused = rl_nas(home, "train", *words)
        assert refused.returncode == 2
        assert f"operation '{ONCE}' is its author's own code; name it in --operations" in refused.stderr
        assert not folder.exists()
        done = rl_nas(home, "train", *words, f"--operations={ONCE}")
        assert done.returncode == 0, done.stderr
        results = json.loads((folder / "results.json").read_text())
        assert (results["task"], results["classes"]) == ("parity", ["even", "odd"])
        resume = ("train", "--resume", f"--run_dir={folder}")
        again = rl_nas(home, *resume, TASK, XDG_STATE_HOME=str(home / "others"))
        assert again.returncode == 2
        assert f"which you did not start here, has --operations={ONCE}; if you trust that" in again.stderr
        assert rl_nas(home, *resume, TASK, f"--operations={ONCE}").returncode == 0


def test_modules_are_found_on_pythonpath(home: Path, tmp_path: Path) -> None:
    path = os.pathsep.join([str(home), os.environ.get("PYTHONPATH", "")])
    done = rl_nas(tmp_path, "describe", SPACE, PYTHONPATH=path)
    assert done.stdout.startswith("shallow: 8 decisions"), done.stderr
    lost = rl_nas(tmp_path, "describe", SPACE)
    assert lost.returncode == 2
    assert f"expected a module in the working folder, {tmp_path}, or on PYTHONPATH" in lost.stderr


class TestErrors:
    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("nowhere:x", "No module named 'nowhere'; expected a module in the working folder, "),
            ("broken.py:number", "give the module's name, broken, not its file's"),
            ("./broken:number", "module ./broken cannot be imported"),
            (":x", "cannot be imported: ValueError: Empty module name"),
            ("broken:", "module broken has no name"),
            ("broken:missing", "module broken has no missing; it is "),
            ("needy:x", "module needy cannot be imported: No module named 'no_such_module'"),
            ("garbled:x", "module garbled cannot be imported: SyntaxError: invalid syntax (garbled.py, line 1)"),
            ("os:abort", "os is a module of Python itself; expected one of your own"),
            ("broken:counts", "makes int; expected a SearchSpace or a function without arguments that returns one"),
            ("leaves:x", "module leaves cannot be imported: SystemExit: 3"),
            ("broken:number", "is int; expected a SearchSpace"),
            ("broken:of_two", "takes (one, two); expected a SearchSpace or a function without arguments"),
        ],
    )
    def test_one_line(self, here: Path, name: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["describe", f"--space={name}"]) == 2
        assert message in one_line(capsys)

    @pytest.mark.parametrize(
        ("flags", "message"),
        [
            (["--operations=sep3x3"], "unknown --operations=sep3x3; did you mean sep_3x3?"),
            (["--operations="], "expected one of identity, "),
            (["--operations=sep_3x3,sep_3x3"], "names sep_3x3 twice"),
            (["--operations=broken:number"], "--operations=broken:number is int; expected a function of ops, x,"),
            (["--operations=sep_3x3,broken:of_two"], "--operations=broken:of_two takes (one, two); expected"),
            (["--operations=broken:grows"], "on 32x32x8 with 8 filters and stride 2 makes 32x32x8; expected 16x16x8"),
            (["--operations=broken:raises"], "stride 1: AttributeError: 'Tensor' object has no attribute"),
            (["--operations=broken:nothing"], "returns NoneType; expected the Tensor of a planned layer"),
            (["--operations=sep_3x3", "--space=nas_rl"], "--operations is for --space=nasnet, amoebanet, enas_micro;"),
            (["--operations=sep_3x3", SPACE], "--operations is for --space=nasnet, amoebanet, enas_micro;"),
        ],
    )
    def test_operations(self, here: Path, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["describe", "--space=nasnet", *flags]) == 2
        assert message in one_line(capsys)

    def test_operations_of_a_genotype_without_any(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        edges = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_3x3~0|none~1|skip_connect~2|"
        assert main(["describe", f"--genotype={edges}", "--operations=sep_3x3"]) == 2
        assert "--operations=sep_3x3 has no effect on a network of " in one_line(capsys)

    def test_strategies(self, here: Path) -> None:
        space = find_space(SpaceSettings(space="nasbench201"))
        with pytest.raises(UsageError, match=r"takes \(space\); expected a class called with a space and a seed"):
            find_strategy("broken:OfSpace")(space, StrategyOptions(), 0)
        with pytest.raises(UsageError, match="has no propose, observe, diagnostics"):
            find_strategy("broken:Idle")(space, StrategyOptions(), 0)
        with pytest.raises(UsageError, match="is int; expected a class"):
            find_strategy("broken:number")

    def test_rewards(self, here: Path) -> None:
        with pytest.raises(UsageError, match=r"takes \(one, two\); expected a function of a Measurement"):
            make_reward(RewardSettings(reward="broken:of_two"))
        with pytest.raises(ChildError, match="its reward is None; expected a number"):
            reward_of(Measurement(0.5), make_reward(RewardSettings(reward="broken:silent")))

    def test_tasks(self, here: Path) -> None:
        with pytest.raises(UsageError, match="--task=broken:Half has no annotation, head, metric, objective"):
            find_task("broken:Half")
        with pytest.raises(UsageError, match=r"--task=broken:Other makes Other; expected an rl_nas\.Task"):
            find_task("broken:Other")

    def test_an_operation_that_fails_at_one_size_makes_an_invalid_child(self, here: Path) -> None:
        names = find_operations(OperationSettings(operations="broken:large_alone"))
        space = find_space(SpaceSettings(blocks=1), names)
        genotype = space.decode(space.sample(np.random.default_rng(0)))
        plan_network(genotype, NetworkSettings(reductions=1), (32, 32, 3), ClassificationHead(2))

        def evaluate(job: Job) -> Measurement:
            plan_network(genotype, NetworkSettings(reductions=1), (8, 8, 3), ClassificationHead(2))
            raise AssertionError

        outcome = attempt(evaluate, Job(0, (), 0))
        assert outcome.state is TrialState.INVALID
        assert "operation broken:large_alone on 4x4x" in outcome.failures[0].error
        assert "ZeroDivisionError: too small for me" in outcome.failures[0].error


class TestVocabulary:
    @pytest.mark.parametrize("name", ["nasnet", "amoebanet", "enas_micro"])
    def test_cells_offer_and_mutate_to_the_operations_alone(self, here: Path, name: str) -> None:
        names = find_operations(OperationSettings(operations=f"conv_1x1, {ONCE}"))
        assert names == ("conv_1x1", ONCE)
        space, rng = find_space(SpaceSettings(space=name, blocks=2), names), np.random.default_rng(0)
        architecture, met = space.sample(rng), set()
        for _ in range(100):
            architecture = space.mutate(architecture, rng)
            genotype = space.decode(architecture)
            met |= {op for cell in genotype.cells().values() for block in cell.blocks for op in block.ops}
        assert met == set(names)

    def test_space_of_ones_own_offers_an_operation_of_ones_own(
        self, here: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (here / "my_own_space.py").write_text(
            "import rl_nas\nfrom my_operations import once_5x5\nfrom rl_nas.spaces.cell_space import cell_space\n\n"
            f"rl_nas.add_operation({ONCE!r}, once_5x5)\nown = cell_space('own', 1, ({ONCE!r}, 'identity'))\n"
        )
        space = find_space(SpaceSettings(space="my_own_space:own"))
        genotype = space.decode(space.sample(np.random.default_rng(1)))
        assert space.decode(space.encode(genotype)) == genotype

    def test_names_of_built_in_operations_are_taken(self) -> None:
        with pytest.raises(UsageError, match="operation sep_3x3 is built in; give yours another name"):
            add_operation("sep_3x3", lambda ops, x, filters, stride: x)

    def test_pictures_leave_the_module_out(self) -> None:
        assert op_label(ONCE) == "once\n5x5"
        assert op_label("my.operations:extraordinarily_long") == "extraord…\nlong"


class TestDescribe:
    def test_space_of_ones_own(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["describe", SPACE]) == 0
        first, _, *decisions = capsys.readouterr().out.splitlines()
        assert first == f"shallow: 8 decisions, {(2 * 2 * 4 * 4) ** 2:,} architectures"
        assert re.fullmatch(r" +normal/0/op1 +sep_3x3 \| sep_5x5 \| max_pool_3x3 \| identity", decisions[2])
        assert len(decisions) == 8

    def test_space_of_other_operations(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["describe", "--space=enas_micro", "--blocks=1", OPERATIONS, "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert document["size"] == (2 * 2 * 2 * 2) ** 2
        assert {"name": "normal/0/op1", "choices": ["max_pool_3x3", ONCE], "when": {}} in document["decisions"]

    def test_genotype(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        Path("described.json").write_text(json.dumps(genotype_of(ONCE)))
        words = ["describe", "--genotype=described.json", "--cells=1", "--filters=4", "--json"]
        assert main(words) == 2
        assert "name it in --operations if you trust it" in one_line(capsys)
        assert main([*words, f"--operations={ONCE}", "--picture=described.png"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert document["genotype"] == genotype_of(ONCE)
        assert Path("described.png").stat().st_size
        assert main(["describe", "--genotype=described.json", f"--operations={ONCE}"]) == 0
        assert f"2 = add( {ONCE}(h[i])" in capsys.readouterr().out


@pytest.fixture
def stranger(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stranger's folder, as the working folder: with code that leaves a mark when it is imported."""
    (tmp_path / "evil.py").write_text("open('imported', 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestStrangers:
    """Nothing that a file names is imported."""

    def refused(self, words: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(words) == 2
        assert message in one_line(capsys)
        assert not (folder / "imported").exists()
        assert "evil" not in sys.modules

    @pytest.mark.parametrize("words", [["describe"], ["train", "--run_dir=new", "--dataset=digits"]])
    @pytest.mark.parametrize("given", [[], [f"--operations={ONCE}"]])
    def test_genotype(
        self,
        stranger: Path,
        home: Path,
        words: list[str],
        given: list[str],
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.syspath_prepend(home)
        (stranger / "genotype.json").write_text(json.dumps(genotype_of("evil:operation")))
        message = "operation 'evil:operation' is its author's own code"
        self.refused([*words, "--genotype=genotype.json", *given], message, stranger, capsys)

    @pytest.mark.parametrize("verb", ["search", "proxy"])
    @pytest.mark.parametrize("flag", ["space", "strategy", "reward", "task", "operations"])
    def test_run(self, stranger: Path, flag: str, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
        value = "sep_3x3,evil:x" if flag == "operations" else "evil:x"
        self.run(stranger, {flag: value})
        message = f"which you did not start here, has --{flag}={value}; if you trust that, give it again, or --trust"
        self.refused([verb, "--resume", "--run_dir=run"], message, stranger, capsys)

    def test_recipe_of_a_run(self, stranger: Path, capsys: pytest.CaptureFixture[str]) -> None:
        recipe = stranger / "recipe.cfg"
        recipe.write_text("--task=evil:x\n")
        self.run(stranger, {"then_train": str(recipe)})
        message = f"which you did not start here, has --then_train={recipe}; if you trust that, give it again"
        self.refused(["search", "--resume", "--run_dir=run"], message, stranger, capsys)

    def test_proxies_of_a_run(self, stranger: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.run(stranger, {"proxies": "reward=evil:x"})
        message = "has --proxies=reward=evil:x; if you trust that, give it again"
        self.refused(["proxy", "--resume", "--run_dir=run"], message, stranger, capsys)
        words = ["proxy", "--run_dir=new", "--proxies=reward=evil:x"]
        self.refused(words, "changes reward, which is the same for all", stranger, capsys)

    def run(self, folder: Path, flags: dict[str, str]) -> None:
        (folder / "run").mkdir()
        (folder / "run" / "config.json").write_text(json.dumps({"flags": {"dataset": "digits", **flags}}))


def genotype_of(operation: str) -> dict[str, Any]:
    cell = {"blocks": [{"inputs": [0, 1], "ops": [operation, "identity"], "combine": "add"}], "concat": [2]}
    return {"schema": 1, "kind": "cells", "cells": {"normal": cell, "reduction": cell}}
