"""The command line: `rl_nas VERB --flag=value ...`."""

import difflib
import importlib
import sys
from collections.abc import Sequence
from importlib import metadata

from rl_nas.commands.display import open_closed_streams

VERBS = {
    "doctor": "check this machine, and forecast what a search will take",
    "search": "search network cells on a data set",
    "train": "run the full training of a genotype's network",
    "export": "write a trained network as SavedModel, TFLite, Keras or ONNX",
    "predict": "predict on image files with an exported network",
    "runs": "list the trials of a search, best first",
    "report": "make one HTML page of a search, or of several",
    "proxy": "measure how well cheaper trainings rank networks",
    "bench": "compare strategies on a tabular benchmark",
    "describe": "print a genotype and what its network costs, or a search space",
}
"""Verb -> description. The module of the same name in rl_nas.commands runs it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a verb; returns the exit code: 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    open_closed_streams()
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("--help", "-h", "help"):
        print(_help())
        return 0 if words else 2
    if words[0] == "--version":
        print(metadata.version("rl_nas"))
        return 0
    verb, *rest = words
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"verbs: {', '.join(VERBS)}"
        print(f"rl_nas: unknown verb {verb!r}; {hint}", file=sys.stderr)
        return 2
    try:
        code: int = importlib.import_module(f"rl_nas.commands.{verb}").main(rest)
    except KeyboardInterrupt:  # during the import; the verb handles later ones
        print(f"rl_nas {verb}: interrupted", file=sys.stderr)
        return 130
    return code


def _help() -> str:
    width = max(map(len, VERBS))
    verbs = [f"  {verb:{width}}  {text}" for verb, text in VERBS.items()]
    return "\n".join(
        [
            "rl_nas VERB --flag=value ...: neural architecture search",
            "",
            *verbs,
            "",
            "rl_nas VERB --help shows the flags of a verb.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
