"""The data of a trained model as its record describes it, for data whose rows are not at hand."""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.data.tasks import SPLITS, Task
from engine.store import Run


@dataclass(frozen=True)
class DataRecord:
    """Counts alone; a record holds no text."""

    source: str
    fingerprint: str
    licence: str
    rows: Mapping[str, int]
    """Split → rows."""
    labels: Mapping[str, Mapping[str, int]]
    """Split → label → rows; only of the splits that were scored, so not of train."""
    languages: Mapping[str, Mapping[str, int]]
    """Language → split → rows of the scored splits, the commonest language first."""


def read_data_record(run: Run, task: Task) -> DataRecord:
    """The data of a run.

    Raises:
        KeyError: It is no record of a trained model.
    """
    record = run.record
    labels, languages = {}, dict[str, dict[str, int]]()
    for split in (one for one in SPLITS if one in record["scores"]):
        scores = record["scores"][split]
        support = [int(figures["support"]) for figures in scores["per_class"]]
        labels[split] = dict(zip(task.labels, support, strict=True))
        for code, figures in (scores.get("per_language") or {}).items():
            languages.setdefault(code, {})[split] = int(figures["rows"])
    order = sorted(languages, key=lambda code: -sum(languages[code].values()))
    return DataRecord(
        run.source,
        run.fingerprint,
        str(record.get("licence", "")),
        {split: int(record["rows"].get(split, 0)) for split in SPLITS},
        labels,
        {code: languages[code] for code in order},
    )
