"""The weights of the best child stay until a better one is recorded."""

from pathlib import Path

from rl_nas.spaces.nasnet import nasnet
from rl_nas.store.best_child import BestChild
from rl_nas.store.run_folder import SearchFolder
from rl_nas.trial import Measurement, Trial, TrialState


def test_a_best_child_that_is_met_again_keeps_its_weights(tmp_path: Path) -> None:
    space, folder = nasnet(1), SearchFolder(tmp_path)
    for path in folder.folders:
        path.mkdir()
    best = BestChild(folder, space.decode)
    architecture = (0,) * len(space.decisions)
    for reward in (0.5, 0.7):
        index = round(10 * reward)
        (folder.children / f"{index}.weights.npz").touch()
        trial = Trial(index, architecture, TrialState.OK, reward, Measurement(reward))
        best.follow(trial)
        best.follow(Trial(index, architecture, TrialState.OK, reward, Measurement(reward), cached=True))
    assert best.weights.exists()
    assert [path.name for path in folder.children.iterdir()] == ["7.weights.npz"]
