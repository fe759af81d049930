"""The facts of the page, against plain computations of them."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from bokeh.models import Scatter, Text, VArea
from page_runs import FLAGS, SPACE, sampled_trials

from rl_nas.errors import UsageError
from rl_nas.evaluation.retraining import Retrained
from rl_nas.objectives import Objectives
from rl_nas.one_shot.result import Confirmed, OneShotResult
from rl_nas.report.page.charts import choices_chart, choices_width, reward_chart
from rl_nas.report.page.choices import decisions_worth, importance
from rl_nas.report.page.comparison import differing_flags, seed_groups
from rl_nas.report.page.curves import epoch_agreements, reward_curves
from rl_nas.report.page.facts import tables
from rl_nas.report.page.pareto import front
from rl_nas.report.page.random_search import FEWEST, random_search
from rl_nas.report.page.run import HeldOut, PageRun
from rl_nas.report.page.verdict import noise, verdict
from rl_nas.spaces.decision import Decision
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.spaces.nasnet import nasnet
from rl_nas.statistics import proportion_interval
from rl_nas.trial import Measurement, Trial, TrialState


def trial(index: int, reward: float | None, **figures: object) -> Trial:
    if reward is None:
        return Trial(index, (0,), TrialState.CRASHED)
    metrics = {"accuracy": reward, **figures.pop("metrics", {})}  # type: ignore[dict-item]
    return Trial(index, (0,), TrialState.OK, reward, Measurement(reward, metrics, **figures))  # type: ignore[arg-type]


class TestRandomSearch:
    def test_own_children_are_the_mean_over_all_subsets(self) -> None:
        rewards = [0.3, 0.1, 0.9, 0.5, 0.2, 0.8]
        found = random_search(FLAGS, [trial(i, reward) for i, reward in enumerate(rewards)])
        assert found is not None
        assert found.own
        for count, expected in zip(found.children, found.expected, strict=True):
            assert expected == pytest.approx(np.mean([max(part) for part in combinations(rewards, int(count))]))
        assert found.best == found.low[-1] == found.high[-1] == 0.9
        assert found.tail is None

    def test_of_others_the_first_children_are_drawn_again_and_again(self) -> None:
        rewards = [0.3, 0.1, 0.9, 0.5, 0.2, 0.99, 0.99]
        flags = {**FLAGS, "strategy": "reinforce", "update_every": 5}
        found = random_search(flags, [trial(i, reward) for i, reward in enumerate(rewards)])
        assert found is not None
        draws = np.random.default_rng(0).choice(rewards[:5], size=(200_000, 7)).max(axis=1)
        # 5 standard errors of a mean of draws that are 0.1 apart.
        assert found.best == pytest.approx(draws.mean(), abs=5 * draws.std() / np.sqrt(len(draws)))
        assert found.drawn == 5
        normal = np.random.default_rng(1).normal(np.mean(rewards[:5]), np.std(rewards[:5], ddof=1), (200_000, 7))
        assert found.tail == pytest.approx(normal.max(axis=1).mean(), abs=0.01)

    @pytest.mark.parametrize(
        ("strategy", "batch", "in_flight", "drawn"),
        [
            ("controller", 4, 1, 12),
            ("controller", 10, 1, 10),
            ("controller", 20, 1, 20),
            ("controller", 1, 12, 21),  # proposal 21 is the first that knows trials 0 to 9
            ("controller", 5, 2, 15),
            ("reinforce", 5, 3, 15),
        ],
    )
    def test_the_first_children_are_proposed_blind(self, strategy: str, batch: int, in_flight: int, drawn: int) -> None:
        flags = {**FLAGS, "strategy": strategy, "update_every": batch, "batches_in_flight": in_flight}
        found = random_search(flags, [trial(i, 0.5 + i / 100) for i in range(30)])
        assert found is not None
        assert found.drawn == drawn

    def test_rewards_end_somewhere(self) -> None:
        trials = [trial(i, reward) for i, reward in enumerate([0.9, 0.6, 0.95, 0.8, 0.7, *[0.9] * 1000])]
        found = random_search({**FLAGS, "strategy": "ppo", "update_every": 5}, trials, most=1.0)
        assert found is not None
        assert found.tail == 1.0

    def test_a_failure_counts_as_the_worst(self) -> None:
        failed = [trial(i, reward) for i, reward in enumerate([0.3, None, 0.9, 0.5, 0.2])]
        worst = [trial(i, reward) for i, reward in enumerate([0.3, 0.2, 0.9, 0.5, 0.2])]
        one, other = random_search(FLAGS, failed), random_search(FLAGS, worst)
        assert one is not None
        assert other is not None
        np.testing.assert_array_equal(one.expected, other.expected)

    @pytest.mark.parametrize(
        "flags",
        [
            {"strategy": "reinforce", "update_every": FEWEST - 1},
            {"strategy": "aging_evolution", "evolution_population": "100"},
            {"strategy": "local_search"},
            {"strategy": "mine:Strategy"},
            {"estimator": "shared"},
        ],
    )
    def test_no_estimate_without_random_children(self, flags: dict[str, object]) -> None:
        assert random_search({**FLAGS, **flags}, sampled_trials(20)) is None

    def test_twenty_thousand_children(self) -> None:
        trials = [trial(i, float(reward)) for i, reward in enumerate(np.random.default_rng(0).random(20_000))]
        found = random_search(FLAGS, trials)
        assert found is not None
        assert len(found.children) <= 200
        assert np.all(np.diff(found.expected) >= 0)
        assert np.all((found.low <= found.expected) & (found.expected <= found.high))


def test_the_front_is_what_no_other_beats() -> None:
    trials = sampled_trials(60)
    measured = [one for one in trials if one.measurement]

    def beaten(one: Trial) -> bool:
        return any(
            (other.measurement.madds <= one.measurement.madds and other.measurement.quality > one.measurement.quality)
            or (
                other.measurement.madds < one.measurement.madds and other.measurement.quality >= one.measurement.quality
            )
            for other in measured
        )

    found = front(trials, "madds")
    assert {one.index for one in found} == {one.index for one in measured if not beaten(one)}
    assert [one.measurement.madds for one in found] == sorted(one.measurement.madds for one in found)
    assert front(trials, "latency") == []


def test_the_front_of_a_run_is_that_of_its_objectives() -> None:
    trials = sampled_trials(60)
    objectives = Objectives(("quality", "parameters", "madds"))
    flags = {**FLAGS, "objectives": "quality,parameters,madds"}
    first, *others = tables(PageRun("r", trials, flags))
    assert first.title == "Front of quality, parameters, madds"
    assert [row[0].text for row in first.rows] == [str(one.index) for one in objectives.front(trials)]
    assert first.heads == ["trial", "quality", "parameters", "multiply-adds"]
    assert [one.title for one in others] == [one.title for one in tables(PageRun("r", trials, FLAGS))]
    for strange in (7, "quality,beauty"):
        assert len(tables(PageRun("r", trials, {**FLAGS, "objectives": strange}))) == len(others)


class TestChoices:
    def test_importance_by_hand(self) -> None:
        """Groups [1, 1], [3, 3]: all variance is between; [1, 3], [1, 3]: less than chance, which is none."""
        rewards = np.array([1.0, 1.0, 3.0, 3.0])
        assert importance(np.array([0, 0, 1, 1]), rewards) == 1.0
        assert importance(np.array([0, 1, 0, 1]), rewards) == 0.0
        # Between 2 * (1.5 - 2)^2 + 2 * (2.5 - 2)^2 = 1, whole 5, within (5 - 1) / 2: (1 - 2) / 5 is below 0.
        assert importance(np.array([0, 1, 0, 1]), np.array([0.5, 1.5, 2.5, 3.5])) == 0.0
        # Groups [0, 1], [3, 4]: between 9, whole 10, within 1 / 2: (9 - 0.5) / 10.
        assert importance(np.array([0, 0, 1, 1]), np.array([0.0, 1.0, 3.0, 4.0])) == pytest.approx(0.85)
        assert importance(np.array([0, 0, 0]), np.array([0.0, 1.0, 2.0])) == 0.0

    def test_the_decision_that_matters_is_found(self) -> None:
        worth = decisions_worth(sampled_trials(200), SPACE)
        assert max(worth, key=lambda one: one.importance).name == SPACE.decisions[0].name
        first = [one.reward for one in sampled_trials(200) if one.reward is not None and one.architecture[0] == 2]
        assert worth[0].choices[2].mean == pytest.approx(np.mean(first))
        assert worth[0].choices[2].children == len(first)

    def test_inactive_decisions_have_no_choice(self) -> None:
        decisions = (Decision("a", ("x", "y")), Decision("b", ("p", "q"), when=(("a", ("y",)),)))
        space: SearchSpace[object] = SearchSpace("two", decisions, lambda values: None, lambda one: {})  # type: ignore
        trials = [replace(trial(i, float(i)), architecture=made) for i, made in enumerate([(0, 0), (1, 0), (1, 1)])]
        counts = [choice.children for choice in decisions_worth(trials, space)[1].choices]
        assert counts == [1, 1]

    def test_their_names_can_be_read_without_a_hover(self) -> None:
        rng, space = np.random.default_rng(0), nasnet(5)
        trials = [replace(trial(i, float(rng.random())), architecture=space.sample(rng)) for i in range(200)]
        worth = decisions_worth(trials, space)
        chart = choices_chart(worth)
        (texts,) = (one for one in chart.renderers if isinstance(one.glyph, Text))
        named = {choice.choice for one in worth for choice in one.choices}
        assert set(texts.data_source.data["text"]) <= named  # none of them is cut
        assert {"sep_5x5", "concat"} <= set(texts.data_source.data["text"])
        assert choices_width(worth) > 900
        same = decisions_worth(sampled_trials(60), SPACE)
        assert choices_width(same) == 0
        labels = choices_chart(same).xaxis[0].major_label_overrides
        assert list(labels.values()) == list(map(str, SPACE.decisions[0].choices))

    @pytest.mark.parametrize(("architecture", "met"), [((0,), "1 choices"), ((9,) * 6, "does not offer")])
    def test_trials_of_another_space_are_refused(self, architecture: tuple[int, ...], met: str) -> None:
        with pytest.raises(UsageError, match=met):
            decisions_worth([replace(trial(0, 0.5), architecture=architecture)], SPACE)


def test_curves_of_rewards() -> None:
    curves = reward_curves([trial(i, reward) for i, reward in enumerate([None, 0.2, 0.6, None, 0.4, 0.1])])
    np.testing.assert_array_equal(curves.best, [np.nan, 0.2, 0.6, 0.6, 0.6, 0.6])
    np.testing.assert_allclose(curves.mean, [np.nan, 0.2, 0.4, 0.4, 0.4, 1.3 / 4])
    assert len(reward_curves([]).best) == 0


def test_random_search_is_drawn_above_the_points() -> None:
    trials = sampled_trials(60)
    random = random_search({**FLAGS, "strategy": "ppo", "update_every": 20}, trials)
    kinds = [type(one.glyph) for one in reward_chart(reward_curves(trials), random, len(trials)).renderers]
    assert kinds.index(Scatter) < kinds.index(VArea)


def test_what_first_epochs_tell() -> None:
    """Ranks after epoch 1 are those after epoch 3, and after epoch 2 the opposite; one child was stopped."""
    curves = [(0.1, 0.9, 0.5), (0.2, 0.8, 0.6), (0.3, 0.7, 0.8), (0.9,)]
    trials = [trial(i, curve[-1], curve=curve) for i, curve in enumerate(curves)]
    one, two, three = epoch_agreements(trials)
    assert (one.reached, two.reached, three.reached) == (4, 3, 3)
    assert one.spearman is not None
    assert two.spearman is not None
    assert (one.spearman.value, two.spearman.value, three.spearman) == (1.0, -1.0, None)
    assert epoch_agreements([trial(0, 0.5)]) == []


class TestVerdict:
    def test_its_numbers_are_the_trials(self) -> None:
        trials = sampled_trials(40)
        run = PageRun("r", trials, FLAGS, asked=50, seconds=7200.0, held_out=HeldOut(300, "held-out images"))
        found = {name: [cell.value for cell in cells] for name, cells in verdict(run).facts}
        best = max((one for one in trials if one.reward is not None), key=lambda one: one.reward or 0)
        assert found["best trial"] == [best.index]
        assert found["accuracy"] == [best.reward]
        assert best.measurement is not None
        assert found["parameters"] == [best.measurement.parameters]
        assert found["children"] == [40]
        assert found["children per hour, over all sittings"] == [20]
        failed = [one for one in trials if one.measurement is None]
        retried = [one for one in trials if one.measurement and one.failures]
        assert found["failures"] == [len(failed), len(retried)]
        seconds = sum(one.measurement.seconds or 0 for one in trials if one.measurement)
        assert found["device hours of successful children"] == [pytest.approx(seconds / 3600)]
        low, high = proportion_interval(best.reward * 300, 300)  # type: ignore[operator]
        assert f"(95%: {low:.4f} to {high:.4f}) on 300 held-out images" in verdict(run).sentences[0]

    def test_a_lead_is_compared_with_the_noise(self) -> None:
        flags = {**FLAGS, "strategy": "reinforce", "update_every": 5, "reward": "quality"}
        rewards = [0.50, 0.51, 0.52, 0.50, 0.51, 0.60, 0.95]
        trials = [trial(i, reward) for i, reward in enumerate(rewards)]
        run = PageRun("r", trials, flags, held_out=HeldOut(300, "images"))
        assert "more than the noise of a measurement" in verdict(run).sentences[2]
        assert "--reward_seeds would tell" in verdict(run).sentences[2]
        few = replace(run, trials=[*trials[:5], trial(5, 0.55)])
        assert "not more than the noise of a measurement" in verdict(few).sentences[2]
        assert len(verdict(replace(run, trials=trials[:5])).sentences) == 2  # nothing but random search yet
        spread = [trial(i, reward) for i, reward in enumerate([0.5, 0.6, 0.4, 0.55, 0.45, *[0.5] * 20])]
        behind = replace(run, trials=spread)
        assert "not shown to beat random search" in verdict(behind).sentences[2]
        unknown = replace(run, held_out=None)
        assert "not known" in verdict(unknown).sentences[2]

    def test_noise_of_repeated_trainings_is_that_of_their_mean(self) -> None:
        metrics = [{"accuracy_deviation": 0.03}, {"accuracy_deviation": 0.04}]
        trials = [trial(i, 0.5, metrics=one) for i, one in enumerate(metrics)]
        found = noise(PageRun("r", trials, {"reward_seeds": 4}))
        assert found is not None
        assert found.whole
        assert found.deviation == pytest.approx(np.sqrt((0.03**2 + 0.04**2) / 2) / 2)

    def test_a_search_that_has_not_learned_yet_is_told_from_a_random_one(self) -> None:
        trials = [trial(i, 0.5 + i / 100) for i in range(8)]
        one = verdict(PageRun("r", trials, FLAGS))
        other = verdict(PageRun("r", trials, {**FLAGS, "strategy": "controller", "update_every": 4}))
        assert one.sentences[1].startswith("This is random search: ")
        assert "proposes networks of its own only after it has learned" in other.sentences[1]
        assert "0." not in other.sentences[1]
        assert "random search, as many children" not in dict([*one.facts, *other.facts])

    @pytest.mark.parametrize("trials", [[], [trial(0, None)]])
    def test_nothing_has_succeeded(self, trials: list[Trial]) -> None:
        run = PageRun("r", trials, FLAGS)
        assert verdict(run).sentences[0].startswith(("No child is recorded", "None of 1 children"))
        assert [one.title for one in tables(run)] == []


class TestSeveralRuns:
    def runs(self) -> list[PageRun]:
        flags = [{**FLAGS, "seed": seed, "trials": 20 + seed} for seed in range(3)]
        made = [PageRun(f"a{seed}", sampled_trials(20 + seed, seed), flags[seed]) for seed in range(3)]
        return [*made, PageRun("b", sampled_trials(9, 7), {**FLAGS, "strategy": "ppo", "workers": 4})]

    def test_runs_that_differ_in_seeds_alone_are_a_group(self) -> None:
        runs = self.runs()
        first, second = seed_groups(runs)
        assert (first.runs, first.places, second.places) == (("a0", "a1", "a2"), (0, 1, 2), (3,))
        assert first.name == "3 runs of strategy random"
        assert (first.children[-1], second.children[-1]) == (20, 9)
        best = [max(one.reward or 0 for one in run.trials[:20]) for run in runs[:3]]
        assert first.mean[-1] == pytest.approx(np.mean(best))
        assert min(best) <= first.low[-1] <= first.mean[-1] <= first.high[-1] <= max(best)
        assert np.isnan(second.low).all()

    def test_differing_flags(self) -> None:
        found = differing_flags(self.runs())
        assert found == {
            "strategy": ["random", "random", "random", "ppo"],
            "seed": [0, 1, 2, 0],
            "trials": [20, 21, 22, None],
            "workers": [None, None, None, 4],
        }


def results(valid: float, test: float | None = None) -> dict[str, object]:
    """What results.json has of a training."""
    return {
        "epochs": 7,
        "valid": {"split": "valid", "images": 500, "accuracy": valid},
        "final_test": None if test is None else {"split": "test", "images": 400, "accuracy": test},
        "network": {"trainable_parameters": 12_345, "multiply_adds": 67_890},
        "seconds": 10.0,
    }


def test_longer_trainings_stand_beside_the_search() -> None:
    retrained = [
        Retrained("trial1", 0.6, [results(0.8), results(0.9)]),
        Retrained("trial2", 0.5, [results(0.9), results(0.9)]),
        Retrained("trial3", 0.4, [results(0.6), results(0.6)]),
        Retrained("random0", None, [results(0.5), results(0.5)]),
        Retrained("random1", None, []),
    ]
    full = {"name": "trial2", "results": results(0.95, 0.94)}
    (found,) = tables(PageRun("r", [], FLAGS, retrained=retrained, full=full))
    assert [row[0].text for row in found.rows] == ["trial2", "trial1", "trial3", "random0"]
    assert [cell.value for cell in found.rows[1]][1:] == [0.6, pytest.approx(0.85), None, 12_345, 67_890, 20.0]
    assert found.rows[1][2].text == "0.8500 ± 0.0707"
    notes = "\n".join(found.notes)
    assert "Failed: random1." in notes
    assert "of the 3 found 0.7833 ± 0.1607, of the 1 drawn at random 0.5000" in notes
    assert "(Spearman) of reward and longer training: 0.50 over 3 networks" in notes
    assert "Full training of trial2, 7 epochs: accuracy 0.9400 on 400 images of split test: final." in notes


def test_shared_weights_are_compared_with_networks_that_were_trained_alone() -> None:
    confirmed = [
        Confirmed(trial=2, place=9, shared=0.2, alone=0.3, random=True),
        Confirmed(trial=0, place=1, shared=0.9, alone=0.8, random=False),
        Confirmed(trial=1, place=4, shared=0.5, alone=0.6, random=True),
        Confirmed(trial=3, place=6, shared=0.4, alone=None, random=True),
        Confirmed(trial=4, place=5, shared=0.4, alone=0.5, random=True),
    ]
    (found,) = tables(PageRun("r", [], FLAGS, shared=OneShotResult(10, confirmed)))
    assert [row[0].value for row in found.rows] == [1, 4, 5, 6, 9]
    assert [row[3].text for row in found.rows] == ["0.8000", "0.6000", "0.5000", "failed", "0.3000"]
    assert found.notes[:2] == [
        "Shared weights ranked 10 networks.",
        "Rank correlation (spearman) 1.00 (95%: 1.00 to 1.00).",
    ]
    (few,) = tables(PageRun("r", [], FLAGS, shared=OneShotResult(10, confirmed[:3])))
    assert few.notes[-1] == "Rank correlation: needs 3 networks chosen at random."


def test_epochs_of_children_have_a_table() -> None:
    trials = [trial(i, 0.1 * i, curve=(0.1 * i, 0.1 * i)) for i in range(1, 6)]
    found = next(one for one in tables(PageRun("r", trials, {"early_stop_rule": "halving"})) if "Epochs" in one.title)
    assert [[cell.value for cell in row] for row in found.rows] == [[1, 5, pytest.approx(1.0)], [2, 5, None]]
    assert "--early_stop_rule=halving" in found.notes[-1]


def test_classes_and_failures_have_tables() -> None:
    metrics = {"iou/cat": 0.25, "iou/dog": 0.75, "precision/dog": 0.5}
    run = PageRun("r", [trial(0, 0.5, metrics=metrics), *sampled_trials(40)[3:4]], FLAGS)
    by_title = {one.title: one for one in tables(run)}
    classes = by_title["Results of trial 0 by class"]
    assert list(classes.heads) == ["class", "iou", "precision"]
    assert [[cell.value for cell in row] for row in classes.rows] == [[None, 0.25, None], [None, 0.75, 0.5]]
    assert [cell.text for cell in by_title["Failed attempts"].rows[0]] == ["oom", "1", "no memory for trial 3"]
