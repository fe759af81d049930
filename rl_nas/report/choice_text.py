"""Why a trial is the best of a search, and whether it is better than the next by more than noise, as text."""

from rl_nas.report.tables import aligned, counted
from rl_nas.statistics import mean_interval
from rl_nas.store.choice import CONFIRMED, FEWEST, MODEL, Choice

_NORMAL_95 = 1.96


def choice_text(choice: Choice) -> str:
    """A sentence for what the trial was chosen by, and one for its lead; before these a table of further trainings."""
    return "\n".join([*_table(choice), f"{_reason(choice)} {lead_text(choice)}".rstrip()])


def lead_text(choice: Choice) -> str:
    """Whether the best trial is better than the next by more than noise."""
    if choice.next is None or choice.lead is None:
        return ""
    ahead = f"Ahead of the next, trial {choice.next}, by {choice.lead:.4f}"
    if choice.lead_deviation is None or choice.noise is None:
        return f"{ahead}; how much of that is noise is not known: --confirm or --reward_seeds would tell."
    within = choice.lead <= _NORMAL_95 * choice.lead_deviation
    return (
        f"{ahead}, the noise of one reward being {choice.noise:.4f} (deviation):"
        f" {'within the noise' if within else 'more than the noise'} (±{_NORMAL_95 * choice.lead_deviation:.4f}, 95%)."
    )


def _reason(choice: Choice) -> str:
    if choice.by == CONFIRMED:
        reason = f"Trial {choice.trial} has the best mean of its further trainings, {choice.expected:.4f}"
    elif choice.by == MODEL:
        reason = f"Trial {choice.trial} is the best by a model of all rewards, which expects {choice.expected:.4f}"
    else:
        return f"Trial {choice.trial} has the highest reward." + (
            f" From {FEWEST} children on, a model of the rewards chooses." if choice.trials < FEWEST else ""
        )
    if choice.highest == choice.trial:
        return f"{reason}, and has the highest reward."
    return f"{reason}; trial {choice.highest} has the highest reward."


def _table(choice: Choice) -> list[str]:
    """The further trainings, one trial a line, with the mean and its 95% interval."""
    if not choice.confirmed:
        return []
    groups = [one.rewards for one in choice.confirmed]
    rows = [["trial", "trained again", "mean reward", "95% interval"]]
    for one in choice.confirmed:
        half = mean_interval(one.rewards, groups)
        interval = "-" if half is None else f"{one.mean - half:.4f} to {one.mean + half:.4f}"
        rows.append([str(one.trial), counted(len(one.rewards), "time"), f"{one.mean:.4f}", interval])
    return [*aligned(rows, [(">", 5), (">", 0), (">", 0), (">", 0)]), ""]
