"""A search as Python and notebooks show it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rl_nas.errors import printable, printable_lines
from rl_nas.extras import check_installed
from rl_nas.networks.families.catalog import family_of
from rl_nas.report.tables import trial_row, trials_table
from rl_nas.spaces.decisions import Choice
from rl_nas.store.files import check_can_make, storage_errors, write_text
from rl_nas.store.json_files import blaming
from rl_nas.trial import Trial, best_trials
from rl_nas.workflows.page_runs import PAGE_MODULES, page_of
from rl_nas.workflows.run_record import RunRecord

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure


class RecordedRun(RunRecord):
    """A search as its folder records it. Nothing in the folder is changed or executed, and the run may be at work.

    Attributes:
        folder: of the run.
        config: content of its config.json.
        trials: those that were recorded when it was opened, in the order of their numbers.
    """

    def results_summary(self, trials: int = 10) -> None:
        """Prints how the trials ended, the best ones as a table, and the best network.

        Args:
            trials: most of them to print.
        """
        print(printable(repr(self).strip("<>")))
        if self.best is not None:
            print(trials_table(best_trials(self.trials, trials)))
            genotype = self.genotype()
            print(f"\n{printable_lines(family_of(genotype).text(genotype))}")

    def trials_frame(self, *, decisions: bool = True) -> pandas.DataFrame:
        """The trials as a table, one a row, by their numbers: state, reward, metrics, costs, attempts, error.

        Args:
            decisions: a column for each decision of the space too, with its choice; missing where it has no effect.

        Raises:
            UsageError: pandas is missing, or the space is code that is not trusted.
        """
        check_installed("trials_frame()", "pandas", ["pandas"])
        import pandas

        rows = [trial_row(trial) | (self._values(trial) if decisions else {}) for trial in self.trials]
        return pandas.DataFrame(rows or {"trial": []}).set_index("trial")

    def plot(self) -> Figure:
        """Rewards against trials and the best so far, as a figure of matplotlib, which notebooks show."""
        from rl_nas.report.search_plot import search_figure  # imports matplotlib

        return search_figure(self.trials, repr(self).strip("<>"))

    def report(self, out: str | os.PathLike[str] = "report.html") -> Path:
        """Writes the page of the run, as `rl_nas report` does; returns its path.

        Args:
            out: the file.

        Raises:
            UsageError: Bokeh is missing, or files of the run are broken.
            StorageError: the file cannot be written.
        """
        path = Path(out)
        check_installed("report()", "report", PAGE_MODULES)
        check_can_make("out", path.parent)
        from rl_nas.report.page.page import page_html  # imports Bokeh

        page = page_html([page_of(self)])
        with storage_errors(path):
            write_text(path, page)
        return path

    def _values(self, trial: Trial) -> dict[str, Choice]:
        """The choices of a trial by decision."""
        space = self.space
        with blaming(self.folder.trials):
            return space.values(trial.architecture)


def load_run(path: str | os.PathLike[str], *, trust: bool = False) -> RecordedRun:
    """Opens the folder of a search to read it.

    Args:
        path: the folder; the run may be at work.
        trust: import code of yours that the run records (a space, operations, a task), though you did not start it on
            this machine.

    Raises:
        UsageError: it is no folder of a search, or its files are broken.
        StorageError: its trials are damaged.
    """
    return RecordedRun(path, trust=trust)
