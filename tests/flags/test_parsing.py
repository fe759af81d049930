"""Command lines: what is read, what wins, what is refused."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from rl_nas.child.training.settings import InitSettings
from rl_nas.commands.search import SEARCH
from rl_nas.commands.train import TRAIN
from rl_nas.errors import UsageError
from rl_nas.flags.parsing import Command, flagfile_text, help_text, packaged_recipe, parse
from rl_nas.renamed import FLAGS, REPEATS, current_flags, tell, tell_removed
from rl_nas.settings import Settings, declaration, field_types, setting

FOLDER = Path(__file__).parents[2] / "rl_nas/flags"
RECIPES = [
    (SEARCH if "--trials" in path.read_text(encoding="utf-8") else TRAIN, path.name)
    for path in sorted(FOLDER.glob("*.cfg"))
]


def test_notes_behind_flags_and_a_byte_order_mark_are_no_values(tmp_path: Path) -> None:
    file = tmp_path / "my.cfg"
    file.write_text("--trials=7  # few\n--run_dir=runs/#1\t# the first\n--seed=3 #\n", encoding="utf-8-sig")
    values = parse(SEARCH, [f"--flagfile={file}"]).values
    assert (values["trials"], values["run_dir"], values["seed"]) == (7, "runs/#1", 3)


def test_a_flag_that_was_removed_is_told_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tell_removed.cache_clear()
    file = tmp_path / "flags.cfg"
    file.write_text(flagfile_text({"seed": 3, "controller_noise": 0.3}, f"{REPEATS} rl_nas search"))
    assert parse(SEARCH, [f"--flagfile={file}"]).values["seed"] == 3
    assert parse(SEARCH, ["--controller_noise=0.2", "--seed=4"]).values["seed"] == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "--controller_noise has no effect any more: the noise of rewards is estimated"
    assert current_flags({"seed": 3, "controller_noise": 0.3}) == {"seed": 3}


def test_values_of_a_run_may_hold_what_looks_like_a_note(tmp_path: Path) -> None:
    file = tmp_path / "flags.cfg"
    file.write_text(flagfile_text({"run_dir": "my #1 run"}, f"{REPEATS} rl_nas search"))
    assert parse(SEARCH, [f"--flagfile={file}"]).values["run_dir"] == "my #1 run"


def test_the_home_folder_is_meant_in_every_flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    values = parse(TRAIN, ["--run_dir=~/runs/a", "--genotype=~", "--init=b/~/c", "--backbone=~other"]).values
    assert values["run_dir"] == f"{tmp_path}/runs/a"
    assert values["genotype"] == str(tmp_path)
    assert (values["init"], values["backbone"]) == ("b/~/c", "~other")
    (tmp_path / "my.cfg").write_text("--run_dir=~/b\n")
    assert parse(TRAIN, ["--flagfile=~/my.cfg"]).values["run_dir"] == f"{tmp_path}/b"


def test_the_command_line_wins_wherever_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "my.cfg"
    file.write_text("# mine\n--trials=7\n\n--seed=3\n")
    for words in (["--trials=9", f"--flagfile={file}"], ["--flagfile", str(file), "--trials=9"]):
        parsed = parse(SEARCH, words)
        assert (parsed.values["trials"], parsed.values["seed"]) == (9, 3)
        assert (parsed.given, parsed.typed) == ({"trials", "seed"}, {"trials"})


def test_booleans() -> None:
    assert parse(SEARCH, ["--flip"]).values["flip"] is True
    assert parse(SEARCH, ["--flip", "--noflip"]).values["flip"] is False
    assert parse(SEARCH, ["--flip=true"]).values["flip"] is True


@pytest.mark.parametrize(("command", "recipe"), RECIPES)
def test_recipes_are_found_from_everywhere(
    command: Command, recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    by_path, by_name = parse(command, [f"--flagfile=flags/{recipe}"]), parse(command, [f"--flagfile={recipe}"])
    assert by_path == by_name
    for group in command.groups:
        by_path.group(group)  # checks itself
    assert by_path.given & {"epochs", "auto"}


@pytest.mark.parametrize("name", ["digits", "flags/digits", "digits.cfg"])
def test_a_recipe_needs_no_ending(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse(SEARCH, [f"--flagfile={name}"]).values["dataset"] == "digits"
    (tmp_path / "digits").mkdir()  # a folder is none
    assert packaged_recipe(name) == str(FOLDER / "digits.cfg")
    (tmp_path / "mine.cfg").write_text("--trials=7\n")
    assert parse(SEARCH, ["--flagfile=mine"]).values["trials"] == 7
    (tmp_path / "flags").mkdir()
    for mine in (tmp_path / "digits.cfg", tmp_path / "flags/digits.cfg"):  # the user's own come first
        mine.write_text("--trials=8\n")
    assert packaged_recipe(name) is None
    assert parse(SEARCH, [f"--flagfile={name}"]).values["trials"] == 8


@pytest.mark.parametrize(("command", "recipe"), RECIPES)
def test_a_flagfile_repeats_its_flags(command: Command, recipe: str, tmp_path: Path) -> None:
    parsed = parse(command, [f"--flagfile={recipe}"])
    file = tmp_path / "again.cfg"
    file.write_text(flagfile_text(parsed.values, "again"))
    assert parse(command, [f"--flagfile={file}"]).values == parsed.values


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--trails=3"], "trails"),
        (["--trials=x"], "expected a whole number >= 1"),
        (["--trials=0"], "expected a whole number >= 1"),
        (["--learning_rate=nan"], "expected a number > 0"),
        (["--optimizer=magic"], "expected one of "),
        (["stray"], "unexpected word 'stray'"),
        (["--flagfile=nowhere/digits.cfg"], "no such file"),
        (["--flagfile=digit.cfg"], "digits.cfg"),
        (["--flagfile=."], "no such file"),
        (["--flagfile=/dev/zero"], "no such file"),
    ],
)
def test_wrong_command_lines(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(SEARCH, words)
    assert message in str(caught.value)


def test_help_names_every_flag_and_default() -> None:
    text = help_text(SEARCH)
    for group in SEARCH.all_groups:
        assert f"\n{group.title}:" in text
        for name in field_types(group):
            field = declaration(group, name)
            assert f"{group.prefix}{name}" in text
            assert field.metadata["help"] in text
            if isinstance(field.default, int | float) and not isinstance(field.default, bool):
                assert f"(default: {field.default})" in text


def test_earlier_names_of_flags_are_understood_and_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tell.cache_clear()
    file = tmp_path / "old.cfg"
    file.write_text("--filter_share=0.25\n--collapse_share=0\n")
    for words in ([f"--flagfile={file}"], ["--filter_share", "0.25", "--collapse_share=0"]):
        parsed, present = parse(SEARCH, words), parse(SEARCH, ["--filter_fraction=0.25", "--collapse_fraction=0"])
        assert (parsed.values, parsed.given) == (present.values, present.given)
        assert parsed.typed == (frozenset() if "--flagfile" in words[0] else present.given)
        assert not FLAGS.keys() & parsed.values.keys()
    assert parse(SEARCH, [f"--flagfile={file}", "--filter_fraction=0.5"]).values["filter_fraction"] == 0.5
    assert parse(TRAIN, ["--whiten=unit"]).values["normalization"] == "unit"
    assert sorted(capsys.readouterr().err.splitlines()) == [
        "--collapse_share is now called --collapse_fraction",
        "--filter_share is now called --filter_fraction",
        "--whiten is now called --normalization",
    ]


def test_a_wrong_value_of_an_earlier_name_is_told_by_the_present_one() -> None:
    with pytest.raises(UsageError, match="--normalization=none: expected one of dataset, unit"):
        parse(TRAIN, ["--whiten=none"])
    with pytest.raises(UsageError, match="whiten"):  # it has no such flag under any name
        parse(SEARCH, ["--whiten=unit"])


@dataclass(frozen=True)
class _Headed(Settings):
    head: str | None = setting(None, "a name")


@pytest.mark.parametrize("groups", [(InitSettings,), (InitSettings, _Headed)])
def test_a_reused_name_is_the_earlier_flag_by_its_values_alone(
    groups: tuple[type[Settings], ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tell.cache_clear()
    command, file = Command("try", "tries", (), groups), tmp_path / "old.cfg"
    file.write_text("--head=keep\n--freeze=norm\n")
    for words in ([f"--flagfile={file}"], ["--head", "keep", "--freeze=norm"], ["--head=keep", "-freeze=norm"]):
        parsed, present = parse(command, words), parse(command, ["--init_head=keep", "--freeze=norm"])
        assert (parsed.values, parsed.given) == (present.values, present.given)
        assert parsed.values.get("head") is None
    assert parse(command, [f"--flagfile={file}", "--init_head=new"]).values["init_head"] == "new"
    assert capsys.readouterr().err.splitlines() == ["--head=keep is now called --init_head=keep"]
    if _Headed in groups:
        for words in (["--head=mine"], ["--head", "mine"]):
            values = parse(command, [*words, "--head=new"]).values
            assert (values["head"], values["init_head"]) == ("mine", "new")
    else:
        with pytest.raises(UsageError, match="head"):
            parse(command, ["--head=mine"])


@pytest.mark.parametrize(
    ("words", "value", "told"),
    [
        (["--jit_compile", "--epochs=2"], "on", ["--jit_compile is now called --jit_compile=on"]),
        (["--epochs=2", "--nojit_compile"], "off", ["--nojit_compile is now called --jit_compile=off"]),
        (["--jit_compile=true"], "on", ["--jit_compile=true is now called --jit_compile=on"]),
        (["--jit_compile=false"], "off", ["--jit_compile=false is now called --jit_compile=off"]),
        (["--jit_compile", "off"], "off", []),
        (["--jit_compile=auto"], "auto", []),
        ([], "auto", []),
    ],
)
def test_a_switch_of_earlier_versions_that_has_values_today(
    words: list[str], value: str, told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    tell.cache_clear()
    assert parse(TRAIN, words).values["jit_compile"] == value
    assert capsys.readouterr().err.splitlines() == told


@pytest.mark.parametrize(("recorded", "value"), [(True, "on"), (False, "off"), ("auto", "auto")])
def test_a_recorded_switch(recorded: object, value: str) -> None:
    assert current_flags({"jit_compile": recorded}) == {"jit_compile": value}


def test_a_recorded_name_that_is_reused_is_told_apart_by_its_value() -> None:
    for value in ("auto", "keep", "new"):
        assert current_flags({"head": value, "seed": 1}) == {"init_head": value, "seed": 1}
    for head in (None, "mine"):
        recorded = {"head": head, "init_head": "auto"}
        assert current_flags(recorded) == recorded
