"""Lists in the value of a flag."""

from collections.abc import Sequence

from rl_nas.errors import UsageError


def names_of(text: str, known: Sequence[str], flag: str) -> list[str]:
    """The names in a flag's value, separated by commas; raises `UsageError` for an unknown one."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            raise UsageError(f"--{flag}: no {name!r}; expected some of {', '.join(known)}, separated by commas")
    return names


def budgets_of(text: str) -> list[int]:
    """The numbers of evaluations in a flag's value, ascending; raises `UsageError` for other text."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and len(word) < 9 and int(word) for word in words):
        raise UsageError(
            f"--budgets={text}: expected whole numbers above 0 and below 10^8, separated by commas, such as 100,300"
        )
    return sorted({int(word) for word in words})
