"""Lookup of genotypes by name."""

import difflib
import os
from pathlib import Path

from rl_nas.errors import UsageError
from rl_nas.networks.families.catalog import FAMILIES
from rl_nas.networks.genotypes import load
from rl_nas.spaces.decisions import Genotype
from rl_nas.spaces.published import PUBLISHED


def find_genotype(name: str | os.PathLike[str]) -> Genotype:
    """The genotype of a published name, of a published notation, of a file or of a run's folder.

    Notations are NAS-Bench-201's (`|op~0|+...`), DARTS's (`Genotype(normal=[...], ...)`) and ENAS' arcs of numbers.

    Args:
        name: one of these; a search's folder stands for its best genotype.

    Raises:
        UsageError: it is none of these, or the file is not a valid genotype.
    """
    name = os.fspath(name)
    if name in PUBLISHED:
        return PUBLISHED[name]
    for family in FAMILIES.values():
        genotype: Genotype | None = family.from_text(name)
        if genotype is not None:
            return genotype
    if not os.path.exists(name):  # also of a text that is too long for a path
        known = {published.lower(): published for published in PUBLISHED}
        near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
        hint = f"did you mean {known[near[0]]}?" if near else f"published names: {', '.join(PUBLISHED)}"
        raise UsageError(f"{name} is neither a file nor a published name; {hint}")
    if Path(name).is_dir():
        return load(_in_run(Path(name)))
    return load(name)


def _in_run(folder: Path) -> Path:
    """The best genotype of a search, or that of a training."""
    for path in (folder / "best" / "genotype.json", folder / "genotype.json"):
        if path.exists():
            return path
    raise UsageError(f"{folder} holds no best/genotype.json and no genotype.json; give a run's folder or a file")
