"""The auxiliary head where images are too small for it: left out, unless it is asked for. No TensorFlow."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from rl_nas.errors import UsageError
from rl_nas.networks.settings import NetworkSettings
from rl_nas.spaces.decisions import Genotype
from rl_nas.tasks.networks import Networks


def with_fitting_auxiliary(
    networks: Networks,
    genotypes: Sequence[Callable[[], Genotype]],
    *,
    asked: bool,
    tell: Callable[[str], None],
) -> Networks:
    """The networks, without an auxiliary head that fits none of some genotypes, which is told.

    Args:
        networks: of a run.
        genotypes: functions that make them; one of which must be buildable.
        asked: whether the command line itself asks for the head, not a preset or a recipe.
        tell: called with a line for the user.

    Raises:
        UsageError: no network can be planned for training, or the head is asked for.
    """
    problem, settings = _problem(networks, genotypes), networks.settings
    if problem is None:
        return networks
    if not asked and isinstance(settings, NetworkSettings):
        without = replace(networks, settings=settings.changed(auxiliary=False))
        if _problem(without, genotypes) is None:
            tell(f"{str(problem).partition(';')[0]}: it is left out")
            return without
    raise problem


def _problem(networks: Networks, genotypes: Sequence[Callable[[], Genotype]]) -> UsageError | None:
    """Why none of the networks can be planned; None: one can."""
    errors = []
    for make in genotypes:
        try:
            networks.plan(make(), training_steps=1)
        except UsageError as error:
            errors.append(error)
        else:
            return None
    return errors[0]
