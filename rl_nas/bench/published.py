"""Published results on tables, to be shown beside measured ones."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedRow:
    """A mean and deviation from a paper.

    Attributes:
        strategy: as the paper calls it.
        report: the column of the table.
        mean: over the paper's runs.
        std: over the same runs.
        protocol: of the search.
        source: the paper.
    """

    strategy: str
    report: str
    mean: float
    std: float
    protocol: str
    source: str


_DONG_YANG = ("about 100 evaluations", "Dong and Yang 2020, table 5")

PUBLISHED_ROWS: dict[str, tuple[PublishedRow, ...]] = {
    "nasbench201": (
        PublishedRow("random", "ep200_cifar10_test", 93.70, 0.36, *_DONG_YANG),
        PublishedRow("REINFORCE", "ep200_cifar10_test", 93.85, 0.37, *_DONG_YANG),
    ),
}
"""Name of a table -> rows."""
