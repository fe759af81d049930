"""Exit codes of all verbs."""

DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130
