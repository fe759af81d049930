"""The space of chains that Zoph and Le 2017 searched (section 3)."""

from collections.abc import Iterator

from rl_nas.errors import UsageError
from rl_nas.spaces.chain import ChainGenotype, ChainLayer, unread_layers
from rl_nas.spaces.decisions import Choice, Decision, SearchSpace

SIZES: tuple[Choice, ...] = (1, 3, 5, 7)
FILTERS: tuple[Choice, ...] = (24, 36, 48, 64)
STRIDES: tuple[Choice, ...] = (1, 2, 3)
GROWTH = 2
"""Layers added at each step of the depth schedule."""


def nas_rl(
    layers: int = 15,
    strides: bool = False,
    skips: bool = True,
    start_layers: int | None = None,
    grow_every: int = 1600,
) -> SearchSpace[ChainGenotype]:
    """Space of chains: for each layer, the filters' height, width and number.

    A layer that selects no earlier layer reads the image; layers that no other reads are concatenated
    before the classifier (section 3.3).

    Args:
        layers: of the network; of the deepest one if it grows.
        strides: decide the strides too, vertical and horizontal, in 1, 2, 3; otherwise all are 1.
        skips: decide for each pair of layers whether the later reads the earlier (the paper's anchor
            points); otherwise each layer reads the one before it.
        start_layers: layers of the first networks (6 in the paper), which then grow by two at a time; left
            out, all have `layers`.
        grow_every: trials between two such steps (1,600 in the paper, section 4.1).

    Raises:
        UsageError: there is no layer, or the schedule does not lead from its start to `layers`.
    """
    depths = tuple(range(start_layers or layers, layers + 1, GROWTH))
    if layers < 1 or not depths or depths[-1] != layers:
        raise UsageError(
            f"{layers} layers from {start_layers}: expected at least 1, and a start that grows to them by {GROWTH}s"
        )

    def schedule(trial: int) -> dict[str, Choice]:
        return {"depth": depths[min(trial // grow_every, len(depths) - 1)]}

    def decode(values: dict[str, Choice]) -> ChainGenotype:
        decoded: list[ChainLayer] = []
        for n in range(1, int(values.get("depth", layers)) + 1):
            kernel = (int(values[f"{n}/height"]), int(values[f"{n}/width"]))
            steps = (int(values.get(f"{n}/stride_height", 1)), int(values.get(f"{n}/stride_width", 1)))
            selected = tuple(m for m in range(1, n) if values.get(f"{n}/from/{m}", int(m == n - 1)))
            decoded.append(ChainLayer(kernel, int(values[f"{n}/filters"]), steps, selected or (0,)))
        return ChainGenotype(tuple(decoded), unread_layers(decoded))

    def encode(genotype: ChainGenotype) -> dict[str, Choice]:
        values: dict[str, Choice] = {decision.name: decision.choices[0] for decision in decisions}
        values["depth"] = len(genotype.layers)
        for n, layer in enumerate(genotype.layers, start=1):
            values |= {f"{n}/height": layer.kernel[0], f"{n}/width": layer.kernel[1], f"{n}/filters": layer.filters}
            values |= {f"{n}/stride_height": layer.strides[0], f"{n}/stride_width": layer.strides[1]}
            values |= {f"{n}/from/{m}": int(m in layer.inputs) for m in range(1, n)}
        offered = {decision.name: values[decision.name] for decision in decisions}
        if len(genotype.layers) not in depths or decode(offered) != genotype:
            raise UsageError(
                f"chain of {len(genotype.layers)} layers; this space has {' or '.join(map(str, depths))}, whose"
                " outputs are those that no other reads, and may not offer its strides or inputs"
            )
        return offered

    decisions = tuple(_decisions(depths, strides, skips))
    return SearchSpace("nas_rl", decisions, decode, encode, schedule=schedule if start_layers else None)


def _decisions(depths: tuple[int, ...], strides: bool, skips: bool) -> Iterator[Decision]:
    if len(depths) > 1:
        yield Decision("depth", depths)
    for n in range(1, depths[-1] + 1):
        when: tuple[tuple[str, tuple[Choice, ...]], ...] = ()
        if n > depths[0]:
            when = (("depth", tuple(depth for depth in depths if depth >= n)),)
        yield Decision(f"{n}/height", SIZES, when)
        yield Decision(f"{n}/width", SIZES, when)
        if strides:
            yield Decision(f"{n}/stride_height", STRIDES, when)
            yield Decision(f"{n}/stride_width", STRIDES, when)
        yield Decision(f"{n}/filters", FILTERS, when)
        for m in range(1, n) if skips else ():
            anchor = f"{m}/from/1" if m > 1 else "1/filters"
            yield Decision(f"{n}/from/{m}", (0, 1), when, points_to=(None, anchor))
