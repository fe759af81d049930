"""What `rl_nas search` says is put into the words of `rl_nas.fit`, and stays true."""

import pytest

from rl_nas.commands.fit_wording import FitWording
from rl_nas.commands.search import SEARCH
from rl_nas.flags.parsing import flag_words, parse

RUN = "--run_dir=/my runs/first"
ARRAYS, SPLIT = "--dataset=dir:/my runs/first/arrays", "--valid_split=validation"
WORDING = FitWording(["--trials=2", RUN, ARRAYS, SPLIT], {ARRAYS: "x", SPLIT: "validation_data"})


@pytest.mark.parametrize(
    ("told", "worded"),
    [
        (
            "hold out more (--valid_fraction), or a split (--valid_split)",
            "hold out more (valid_fraction=), or a split (valid_split=)",
        ),
        (
            "gp proposes all of --trials=20; give more than 20, or --update_every=1 --batches_in_flight=5",
            "gp proposes all of trials=20; give more than 20, or update_every=1, batches_in_flight=5",
        ),
        ("--trials=2, --trials=2.5; --trials=2.", "trials=2, trials=2.5; trials=2."),
        ("no room (--debug shows where)", "no room (debug=True shows where)"),
        ("leave --noflip --image_size=32x48 out", "leave flip=False, image_size='32x48' out"),
        ("by --track=, and go on with --resume", "by track='', and go on with resume=True"),
        ("--dataset=digits or --dataset=./photos", "x='digits' or x='./photos'"),
        (f"{ARRAYS} has one class", "x has one class"),
        (f"{SPLIT} and --valid_images=5 both say", "validation_data and valid_images=5 both say"),
        (f"{RUN} already holds a run", "run_dir='/my runs/first' already holds a run"),
        (
            f"resume with: rl_nas search --resume {RUN}",
            "resume with: rl_nas.fit(resume=True, run_dir='/my runs/first')",
        ),
        (
            f"for more: rl_nas search --resume {RUN} --max_hours=MORE",
            "for more: rl_nas.fit(resume=True, run_dir='/my runs/first', max_hours=MORE)",
        ),
        (
            "see all of it in a browser: rl_nas report '/my runs/first'",
            "see all of it in a browser: rl_nas.load_run('/my runs/first').report()",
        ),
        ("in a browser: rl_nas report runs/first", "in a browser: rl_nas.load_run('runs/first').report()"),
        ("Unknown command line flag 'spce'. Did you mean: space ?", "unknown argument 'spce'. Did you mean: space ?"),
    ],
)
def test_flags_become_arguments_and_commands_calls(told: str, worded: str) -> None:
    assert WORDING.of(told) == worded


@pytest.mark.parametrize(
    "told",
    [
        "1/20 children  4:52 left  234/hour  busy 1/2  last accuracy 0.9767  failures 0",
        "final.cfg gives a --genotype; the search gives it: remove it",
        "delete the file and give rl_nas train --resume to measure again",
        "rl_nas search --help shows its flags",
        "pip install -e '/clone[wandb]' --no-deps",
        "the file a--trials=3 and the folder x/--trials=4 stay",
    ],
)
def test_what_is_no_flag_of_a_search_stays(told: str) -> None:
    assert WORDING.of(told) == told


def test_the_call_is_the_command() -> None:
    """What stands between the parentheses, evaluated, gives the same flags as the command line."""
    words = ["--resume", RUN, "--noflip", "--epochs=3", "--learning_rate=0.05", "--image_size=32x48", "--track="]
    call = FitWording(words, {}).of(f"rl_nas search {' '.join(words)}")
    given = eval(f"dict{call.removeprefix('rl_nas.fit')}")
    assert parse(SEARCH, flag_words(given)) == parse(SEARCH, words)
