"""The page of the parent run: what a reviewer reads without clicking further."""

from collections.abc import Sequence

from voxray.core.records import MAIN_METRICS, Metric
from voxray.mlflow_store.metrics import metrics_markdown

SHEET = "all.png"
"""All figures as one picture. MLflow shows pictures in their own size, one below the
other, and one that is wider than the window cuts off the text of the page, too."""

RUN = "{run}"
"""Stands in a page for the run's id, which is not known while the store is away."""

_MOST_CHARACTERS = 7800  # MLflow cuts a tag at 8000, and ids take some
_LAST_LINE = 120
_HOW_TO_READ = (
    "Each figure is of patients whom the network never saw in training. Intervals "
    "count patients, not scans, and hold for these trained networks."
)


def parent_page(
    headline: str,
    facts: str,
    metrics: Sequence[Metric],
    figures: Sequence[str],
    note: str = "",
) -> str:
    """Markdown of the headline, the table of main metrics, and the figures.

    Args:
        headline: The most important figures, with their intervals.
        facts: What they were measured on.
        metrics: Those of `MAIN_METRICS` are shown, in this order, as many as fit; how
            many others there are is said.
        figures: Names of files in the artifact folder `figures`; where `SHEET` is one
            of them it alone is shown.
        note: Stands first, e.g. that data are synthetic.
    """
    head = [f"**{note}**"] if note else []
    top = "\n\n".join([*head, f"**{headline}**", f"{facts} {_HOW_TO_READ}"])
    shown = [SHEET] if SHEET in figures else figures
    below = "\n".join(f"![{n.partition('.')[0]}]({_address(n)})" for n in shown)
    room = _MOST_CHARACTERS - len(top) - len(below)
    return f"{top}\n\n{_fitting(metrics, room)}\n{below}".rstrip() + "\n"


def _address(name: str) -> str:
    """Where MLflow's server gives out a file; relative, so any address will do."""
    return f"get-artifact?path=figures/{name}&run_uuid={RUN}"


def _fitting(metrics: Sequence[Metric], n_characters: int) -> str:
    main = [metric for metric in metrics if metric.metric in MAIN_METRICS]
    lines = metrics_markdown(main).splitlines()
    kept, used = list[str](), _LAST_LINE
    for line in lines:
        used += len(line) + 1
        if used > n_characters:
            break
        kept.append(line)
    n_left = len(lines) - len(kept) + len(metrics) - len(main)
    more = [f"\n{n_left} more metrics stand in tables/evaluation.json."]
    return "\n".join([*kept, *(more if n_left else [])]) + "\n"
