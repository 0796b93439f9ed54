"""The page of the parent run: what a reviewer reads without clicking further."""

from collections.abc import Sequence

from voxray.core.records import Metric
from voxray.mlflow_store.metrics import metrics_markdown

RUN = "{run}"
"""Stands in a page for the run's id, which is not known while the store is away."""

_MOST_CHARACTERS = 7800  # MLflow cuts a tag at 8000, and ids take some
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
    """Markdown of the headline, the figures as pictures, and the table of metrics.

    Args:
        headline: The most important figures, with their intervals.
        facts: What they were measured on.
        metrics: In the order they are shown; as many rows as fit, and how many do not.
        figures: Names of files in the artifact folder `figures`.
        note: Stands first, e.g. that data are synthetic.
    """
    head = [f"**{note}**"] if note else []
    head += [f"**{headline}**", f"{facts} {_HOW_TO_READ}"]
    pictures = " ".join(f"![{n.partition('.')[0]}]({_address(n)})" for n in figures)
    head += [pictures] if pictures else []
    top = "\n\n".join(head)
    return f"{top}\n\n{_fitting(metrics, _MOST_CHARACTERS - len(top))}"


def _address(name: str) -> str:
    """Where MLflow's server gives out a file; relative, so any address will do."""
    return f"get-artifact?path=figures/{name}&run_uuid={RUN}"


def _fitting(metrics: Sequence[Metric], n_characters: int) -> str:
    lines = metrics_markdown(metrics).splitlines()
    kept, used = list[str](), 200  # for the last line
    for line in lines:
        used += len(line) + 1
        if used > n_characters:
            break
        kept.append(line)
    n_left = len(lines) - len(kept)
    more = [f"\n{n_left} more rows stand in tables/evaluation.json."] if n_left else []
    return "\n".join([*kept, *more]) + "\n"
