"""What notebooks show of genotypes, spaces and runs."""

from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from classifying import measured

import rl_nas
from rl_nas.report.picture import genotype_svg
from rl_nas.report.search_plot import search_figure
from rl_nas.spaces.catalog import SPACES, find_space
from rl_nas.spaces.cells import Block, Cell, CellGenotype
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.trial import Failure, Trial, TrialState

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", ["nasnet", "nas_rl", "nasbench101", "nasbench201", "dpc", "nas_fpn"])
def test_genotypes_of_every_family_draw_themselves(name: str) -> None:
    space = find_space(SpaceSettings(space=name, blocks=1))
    genotype: Any = space.decode(space.sample(np.random.default_rng(0)))
    svg = genotype._repr_svg_()
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert len(root.findall(f".//{SVG}path")) > 3
    assert svg == genotype_svg(genotype) != genotype_svg(genotype, "title")


def test_names_in_pictures_are_no_markup() -> None:
    name = "x:<script>alert(1)</script>"
    cell = Cell((Block((0, 1), ("identity", "identity")),), (2,))
    svg = genotype_svg(CellGenotype(cell, cell), name)
    tags = {element.tag.removeprefix(SVG) for element in ElementTree.fromstring(svg).iter()}
    assert "script" not in tags


@pytest.mark.parametrize("name", SPACES)
def test_a_space_fits_a_screen(name: str) -> None:
    settings = SpaceSettings(space=name, **({"layers": 30} if name == "nas_rl" else {}))
    space = find_space(settings)
    first, *lines = repr(space).splitlines()
    assert first.startswith(f"<SearchSpace {name}: {len(space.decisions)} decisions, ")
    assert len(lines) <= 17
    assert max(map(len, lines)) <= 100
    left = len(space.decisions) - 15
    assert lines[-1] == (f"  and {left} decisions more>" if left > 0 else lines[-1])


def test_sizes_are_told() -> None:
    assert "50 decisions, about 5.23e+36 architectures" in repr(rl_nas.nasnet(5))
    assert (
        repr(find_space(SpaceSettings(space="nasbench201")))
        .splitlines()[0]
        .endswith("6 decisions, 15,625 architectures")
    )


def test_choices_of_an_architecture_are_those_that_have_an_effect() -> None:
    depends = rl_nas.Decision("second", ("x", "y"), when=(("first", ("b",)),))
    space = rl_nas.SearchSpace("s", (rl_nas.Decision("first", ("a", "b")), depends), Any, Any)
    assert space.values((0, 0)) == {"first": "a"}
    assert space.values((1, 1)) == {"first": "b", "second": "y"}


def test_a_plot_shows_every_trial_and_the_best_so_far() -> None:
    rewards = (0.5, 0.75, 0.25)
    trials = [Trial(n, (0,), TrialState.OK, reward, measured(reward)) for n, reward in enumerate(rewards)]
    failed = Trial(3, (0,), TrialState.NAN, failures=(Failure(TrialState.NAN, "nan"),))
    figure: Any = search_figure([*trials, failed], "$title")
    points, best, crosses = figure.axes[0].lines
    assert points.get_ydata().tolist() == list(rewards)
    assert best.get_ydata().tolist() == [0.5, 0.75, 0.75]
    assert crosses.get_xdata().tolist() == [3]
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert search_figure([])._repr_png_()
