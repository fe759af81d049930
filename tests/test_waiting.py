"""Proposals whose trials are still to come: a queue for each architecture."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from rl_nas.store.states import pack, unpack
from rl_nas.waiting import Waiting

CALLS = st.lists(st.tuples(st.sampled_from(["add", "take", "withdraw", "restore"]), st.integers(0, 2)), max_size=60)


@given(CALLS)
def test_the_first_of_equal_proposals_is_answered_first_and_the_last_withdrawn(calls: list[tuple[str, int]]) -> None:
    """Against lists, also where a state is restored between."""
    waiting, lists = Waiting[int](), defaultdict[tuple[int, ...], list[int]](list)
    for number, (call, choice) in enumerate(calls):
        architecture = (choice, 0)
        known = lists[architecture]
        if call == "add":
            waiting.add(architecture, number)
            known.append(number)
        elif call == "take":
            assert waiting.take(architecture) == (known.pop(0) if known else None)
        elif call == "withdraw":
            assert waiting.withdraw(architecture) == (known.pop() if known else None)
        else:
            waiting = Waiting(unpack(pack({"entries": waiting.entries()}))["entries"])
        assert sorted(waiting.entries()) == sorted((one, record) for one, found in lists.items() for record in found)
