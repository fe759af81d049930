"""Genotypes of every kind as JSON."""

import json
import os
from pathlib import Path
from typing import Any

from rl_nas.errors import UsageError
from rl_nas.networks.families.catalog import FAMILIES
from rl_nas.regular_files import MIB, read_regular_text
from rl_nas.spaces.decisions import Genotype
from rl_nas.spaces.json_fields import expect, item

SCHEMA = 1
"""Version of the JSON form; raised by every change that older readers would misread."""


_MOST_BYTES = MIB
"""Of a genotype file."""


def to_json(genotype: Genotype) -> dict[str, Any]:
    """The genotype as plain JSON values."""
    return {"schema": SCHEMA, "kind": genotype.KIND, **genotype.document()}


def from_json(document: object) -> Genotype:
    """Reads what `to_json` wrote, or the JSON of a genotype's authors.

    Raises:
        UsageError: the document is malformed, of a later schema, or describes an impossible network;
            the message tells where.
    """
    for family in FAMILIES.values():
        foreign: Genotype | None = family.from_foreign(document)
        if foreign is not None:
            return foreign
    genotype = expect(document, dict, "genotype")
    schema = expect(item(genotype, "schema", "genotype"), int, "schema")
    if schema > SCHEMA:
        raise UsageError(f"genotype schema {schema} is newer than {SCHEMA}; upgrade rl_nas to read it")
    if schema < 1:
        raise UsageError(f"genotype schema {schema}; expected 1 to {SCHEMA}")
    kind = item(genotype, "kind", "genotype")
    if not isinstance(kind, str) or kind not in FAMILIES:
        raise UsageError(f"genotype kind {kind!r}; expected one of {', '.join(FAMILIES)}")
    found: Genotype = FAMILIES[kind].genotype.from_document(genotype)
    return found


def load(path: str | os.PathLike[str]) -> Genotype:
    """Reads a genotype file.

    Raises:
        UsageError: the file cannot be read, is not JSON, or is not a valid genotype.
    """
    try:
        document = json.loads(read_regular_text(Path(path), _MOST_BYTES))
    except OSError as error:
        raise UsageError(f"genotype file {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"genotype file {path} is not JSON: {error}") from error
    try:
        return from_json(document)
    except UsageError as error:
        raise UsageError(f"genotype file {path}: {error}") from error
