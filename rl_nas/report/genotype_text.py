"""Genotypes of every kind as text for a terminal."""

from rl_nas.report.cell_text import cells_text
from rl_nas.spaces.cells import CellGenotype
from rl_nas.spaces.chain import ChainGenotype
from rl_nas.spaces.genotype import Genotype
from rl_nas.spaces.nasbench101 import ModelSpec
from rl_nas.spaces.nasbench201 import EdgeCell


def genotype_text(genotype: Genotype) -> str:
    """The genotype in lines, without a line break at the end."""
    match genotype:
        case CellGenotype():
            return cells_text(genotype)
        case ChainGenotype():
            return _chain_text(genotype)
        case ModelSpec():
            return _graph_text(genotype)
        case EdgeCell():
            return _edge_cell_text(genotype)


def _chain_text(genotype: ChainGenotype) -> str:
    lines = ["chain of convolutions"]
    for number, layer in enumerate(genotype.layers, start=1):
        (height, width), (down, right) = layer.kernel, layer.strides
        strides = "" if (down, right) == (1, 1) else f", strides {down}x{right}"
        inputs = ", ".join("image" if state == 0 else str(state) for state in layer.inputs)
        lines.append(f"  {number:>6} = conv {height}x{width}, {layer.filters} filters{strides} ( {inputs} )")
    outputs = ", ".join("image" if state == 0 else str(state) for state in genotype.outputs)
    return "\n".join([*lines, f"  output = concat( {outputs} )"])


def _graph_text(genotype: ModelSpec) -> str:
    spec = genotype.pruned() or genotype
    last = len(spec.ops) - 1
    lines = ["NAS-Bench-101 graph" if spec == genotype else "NAS-Bench-101 graph, without its idle vertices"]
    for vertex in range(1, last + 1):
        name = "output" if vertex == last else str(vertex)
        inputs = ", ".join("input" if source == 0 else str(source) for source in spec.sources(vertex))
        lines.append(f"  {name:>6} = {'concat' if vertex == last else spec.ops[vertex]}( {inputs} )")
    return "\n".join([*lines, f"hash {genotype.canonical_key()}"])


def _edge_cell_text(genotype: EdgeCell) -> str:
    names = ("input", "1", "2", "output")
    lines = ["NAS-Bench-201 cell", f"  {genotype}"]
    for node in (1, 2, 3):
        terms = " + ".join(f"{op}({names[source]})" for source, op in genotype.entering(node))
        lines.append(f"  {names[node]:>6} = {terms}")
    return "\n".join(lines)
