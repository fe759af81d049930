"""One trial as text."""

from pathlib import Path

from rl_nas.report.tables import counted, figure_text
from rl_nas.trial import Trial


def trial_text(trial: Trial, run: Path, weights: Path | None, images: int = 0) -> str:
    """How a trial ended, what was measured, and where its weights are.

    Args:
        trial: of a search.
        run: folder of the search.
        weights: their file; None: they were not kept.
        images: that it was measured on; 0: unknown.
    """
    ended = f"reward {trial.reward:.4f}" if trial.reward is not None else trial.error
    lines = [f"trial {trial.index} of {run}: {trial.state}, {ended}"]
    measured = trial.measurement
    if measured is not None:
        metrics = measured.metrics or {"quality": measured.quality}
        figures = ", ".join(f"{name} {figure_text(name, value, images)}" for name, value in metrics.items())
        lines.append(f"  measured: {figures}" + (f" on {counted(images, 'held-out image')}" if images else ""))
        spent = [] if measured.epochs is None else [counted(measured.epochs, "epoch")]
        spent += [] if measured.seconds is None else [f"{measured.seconds:.1f} s"]
        if spent:
            lines.append(f"  trained:  {', '.join(spent)}")
    lines.append(f"  weights:  {weights or 'not kept, as those of all but the best child'}")
    return "\n".join(lines)
