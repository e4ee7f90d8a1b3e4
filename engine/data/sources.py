"""Three sources behind one call: the bundled sample, a local file, and the Hugging Face Hub."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from json.encoder import encode_basestring
from pathlib import Path

import pandas as pd

from engine.data.cleaning import CleaningReport, clean
from engine.data.columns import match_columns
from engine.data.recognise import SPLIT_NAMES, Part, Recognised, fill_ids, recognise
from engine.data.splits import split_rows
from engine.data.tables import KINDS, Table, read_table
from engine.data.tasks import SPLITS, Task
from engine.errors import DataError
from engine.messages import Message

SAMPLE = "sample"
SAMPLE_LICENCE = "CC0 1.0"
HUB = "hub"
SAMPLES_DIR = Path(__file__).parent / "samples"
AT_ONCE = 10_000
"""So many rows are hashed in one go."""
RESPLITS = ("author", "all", "train")


@dataclass(frozen=True)
class SourceOptions:
    """How to read a source; the defaults fit a file that follows the conventions."""

    validation: Path | None = None
    test: Path | None = None
    groups: Path | None = None
    """A file with `id,premise_group`; one called `premise_groups.csv` beside the source is found by itself."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Canonical column → the file's own name for it, where it isn't recognised."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """A label as the file writes it → the class that it means, where that isn't recognised; empty for no label."""
    resplit: str = "author"
    """`author` keeps splits that exist; `all` splits all rows anew 80/10/10; `train` splits the train part alone."""
    revision: str | None = None
    subset: str | None = None
    seed: int = 0


@dataclass(frozen=True)
class TaskData:
    """Cleaned and split rows of one task from one source."""

    task: Task
    source: str
    """A name fit for tables: `sample`, a file's name, or `hub:owner/name@commit`; never a path of this machine."""
    frame: pd.DataFrame
    """Columns `id`, the task's text columns, `label` (int), `split`, and what else the source had."""
    report: CleaningReport
    fingerprint: str
    """First 12 hexadecimal digits of the SHA-256 of the cleaned rows with labels and splits."""

    def split(self, name: str) -> pd.DataFrame:
        """Rows of one split, or of all of them (`all`)."""
        return self.frame if name == "all" else self.frame[self.frame["split"] == name].reset_index(drop=True)

    def texts(self, name: str) -> list[tuple[str, ...]]:
        """The inputs of a split, one tuple a row, as long as the task has text columns."""
        return as_inputs(self.split(name), self.task)


def as_inputs(frame: pd.DataFrame, task: Task) -> list[tuple[str, ...]]:
    """The text columns of `frame` as one tuple a row."""
    return list(zip(*(frame[column].tolist() for column in task.text_columns), strict=True))


def load(task: Task, source: str = SAMPLE, options: SourceOptions | None = None) -> TaskData:
    """Read, recognise, clean and split a source.

    Args:
        task: What to look for in it.
        source: `sample`, `hub`, or the path of a table (`tables.KINDS`).
        options: See `SourceOptions`.

    Raises:
        DataError: The file can't be read, its columns or labels aren't recognised, or it can't be split.
        HubError: The hub can't be reached, or refuses.
    """
    options = options or SourceOptions()
    if options.resplit not in RESPLITS:
        raise DataError(f"--resplit takes one of {', '.join(RESPLITS)}, not '{options.resplit}'.")
    notes: list[str] = []
    if source == SAMPLE:
        name, parts = SAMPLE, [Part("", read_table(SAMPLES_DIR / f"{task.name}.csv"))]
    elif source == HUB:
        from engine.data.hub_source import read_hub

        name, tables = read_hub(task, options.revision, options.subset)
        parts = [Part(split, table) for split, table in tables.items()]
    else:
        name, parts = _read_files(task, Path(source), options, notes)
    found = recognise(parts, task, options.columns, options.labels)
    # A large table's cells take as much memory as all that follows.
    parts.clear()
    frame = _with_groups(found.frame, task, Path(source) if source not in (SAMPLE, HUB) else None, options, notes)
    if "premise_group" in frame:
        # A row whose group isn't known is grouped by its premise, as it would be without groups.
        blank = frame["premise_group"].fillna("").str.strip() == ""
        frame = frame.assign(premise_group=frame["premise_group"].mask(blank, frame["premise"]))
    frame = fill_ids(frame, task)
    if source == SAMPLE:
        # Nobody needs to be told how it was read.
        found.files.clear()
        found.notes.clear()
    return _finish(task, name, frame, found, options, notes)


def _finish(
    task: Task, name: str, frame: pd.DataFrame, found: Recognised, options: SourceOptions, notes: list[str]
) -> TaskData:
    """Clean, split and fingerprint recognised rows."""
    if options.resplit == "train":
        frame = frame[frame["split"].isin(("train", ""))]
    cleaned, report = clean(frame, task)
    if cleaned.empty:
        raise DataError(f"{name} has no rows left after cleaning ({report.read} read).")
    present = set(cleaned["split"]) - {""}
    unknown = present - set(SPLITS)
    if unknown:
        raise DataError(f"Unknown split '{sorted(unknown)[0]}' in {name}. Splits: {', '.join(SPLITS)}.")
    if options.resplit != "author" or not present:
        cleaned = split_rows(cleaned, task, options.seed)
    else:
        cleaned = _complete_splits(cleaned, task, options.seed, notes)
    return TaskData(task, name, cleaned, _whole_report(report, found, notes), fingerprint(cleaned, task))


def _whole_report(report: CleaningReport, found: Recognised, notes: Sequence[str]) -> CleaningReport:
    """The cleaning's report with what recognising the rows dropped and said."""
    dropped, rows = dict(report.dropped), dict(report.rows)
    if found.without_label:
        dropped = {"unlabelled": found.without_label} | dropped
        rows = {"unlabelled": tuple(found.unlabelled)} | rows
    return replace(
        report,
        read=report.read + found.without_label,
        dropped=dropped,
        rows=rows,
        notes=(*report.notes, *found.notes, *notes),
        files=tuple(found.files),
    )


def _complete_splits(frame: pd.DataFrame, task: Task, seed: int, notes: list[str]) -> pd.DataFrame:
    """Take what the author left out (validation or test) from the train part, and say so."""
    frame = frame.assign(split=frame["split"].replace("", "train"))
    missing = [name for name in SPLITS if not (frame["split"] == name).any()]
    if "train" in missing:
        raise DataError("The source has no train split; name the train file as --source.")
    if not missing:
        return frame
    again = split_rows(frame[frame["split"] == "train"], task, seed)
    again = again.assign(split=again["split"].where(again["split"].isin(missing), "train"))
    frame.loc[again.index, "split"] = again["split"]
    notes.append(
        Message("no {splits} split given: one row in ten of train each was taken for it", splits=" or ".join(missing))
    )
    return frame


def fingerprint(frame: pd.DataFrame, task: Task) -> str:
    """Hash of texts, labels and splits, independent of the rows' order."""
    # Each row is written as JSON, a column at a time.
    columns = [map(encode_basestring, frame[column].tolist()) for column in (*task.text_columns, "split")]
    columns.insert(-1, map(str, map(int, frame["label"].tolist())))
    rows = sorted(f"[{', '.join(row)}]" for row in zip(*columns, strict=True))
    digest = hashlib.sha256()
    for at in range(0, len(rows), AT_ONCE):
        digest.update(("\n" * (at > 0) + "\n".join(rows[at : at + AT_ONCE])).encode())
    return digest.hexdigest()[:12]


def cut_train(data: TaskData, rows: int | None) -> TaskData:
    """The same with the first `rows` of its train split alone, or with all."""
    if rows is None:
        return data
    place = data.frame.groupby("split").cumcount()
    frame = data.frame[(data.frame["split"] != "train") | (place < rows)].reset_index(drop=True)
    return replace(data, frame=frame, fingerprint=fingerprint(frame, data.task))


def load_for_evaluation(task: Task, source: str, options: SourceOptions, split: str) -> TaskData:
    """Read a source to score a trained model on it.

    With `split='all'` only the named file itself is read and nothing is split, so a file of any size will do.

    Raises:
        DataError: As `load`, or the split is unknown.
    """
    if split not in (*SPLITS, "all"):
        raise DataError(f"Unknown split '{split}'. Splits: {', '.join(SPLITS)}, all.")
    if split != "all" or source in (SAMPLE, HUB):
        return load(task, source, options)
    table = read_table(Path(source))
    found = recognise([Part("", table)], task, options.columns, options.labels)
    cleaned, report = clean(fill_ids(found.frame, task).assign(split=""), task)
    if cleaned.empty:
        raise DataError(f"{table.name} has no rows left after cleaning ({report.read} read).")
    report = _whole_report(report, found, ())
    return TaskData(task, table.name, cleaned, report, fingerprint(cleaned, task))


def _read_files(task: Task, path: Path, options: SourceOptions, notes: list[str]) -> tuple[str, list[Part]]:
    """The named file and, given or found beside it, its validation and test files."""
    source = read_table(path)
    parts = [Part("", source)]
    for split, given in (("validation", options.validation), ("test", options.test)):
        beside = given or _find_beside(path, split)
        if beside is None:
            continue
        table = read_table(beside)
        if given is None and _lacks_labels(table, source, task, options.columns):
            notes.append(
                Message(
                    "{file} beside the source has no labels, so it was not used as {split} split",
                    file=beside.name,
                    split=split,
                )
            )
            continue
        parts.append(Part(split, table))
        if given is None:
            notes.append(Message("{split} split: {file}, found beside the source", split=split, file=beside.name))
    if len(parts) > 1:
        parts = [Part(part.split or "train", part.table) for part in parts]
    return path.name, parts


def _find_beside(path: Path, split: str) -> Path | None:
    """`small_train.csv` → `small_validation.csv` or `small_test.csv` in the same folder, or of another kind there."""
    packed = ".gz" if path.name.lower().endswith(".gz") else ""
    plain = Path(path.name[: len(path.name) - len(packed)])
    endings = dict.fromkeys((f"{plain.suffix}{packed}", *KINDS, *(f"{kind}.gz" for kind in KINDS)))
    for train in ("train", "Train", "TRAIN"):
        if train not in plain.stem:
            continue
        for name in SPLIT_NAMES[split]:
            cased = name.title() if train == "Train" else name.upper() if train == "TRAIN" else name
            for ending in endings:
                candidate = path.with_name(plain.stem.replace(train, cased) + ending)
                if candidate.is_file():
                    return candidate
    return None


def _lacks_labels(table: Table, source: Table, task: Task, given: Mapping[str, str]) -> bool:
    """Whether a file beside the source is laid out like it, but without labels, as the test files of contests are."""
    own = match_columns(source.columns, task, given)
    others = set(source.columns) - {own.get("label", "")}
    texts = {own[column] for column in task.text_columns if column in own}
    return bool(texts) and texts <= set(table.columns) <= others


def _with_groups(
    frame: pd.DataFrame, task: Task, path: Path | None, options: SourceOptions, notes: list[str]
) -> pd.DataFrame:
    """Join `premise_group` by id from the groups file, where there is one."""
    groups_path = options.groups
    if groups_path is None and path is not None and task.is_pair:
        beside = path.parent / "premise_groups.csv"
        groups_path = beside if beside.is_file() else None
    if groups_path is None:
        return frame
    if not task.is_pair:
        raise DataError(f"--groups is for pairs; the task {task.name} has no premises to group.")
    table = read_table(groups_path).frame()
    if not {"id", "premise_group"} <= set(table.columns):
        raise DataError(f"{groups_path.name} needs the columns id, premise_group; it has {', '.join(table.columns)}.")
    if "id" not in frame:
        if options.groups is None:
            return frame
        raise DataError(f"{groups_path.name} names rows by id, but the source has no id column.")
    by_id = table.drop_duplicates("id").set_index("id")["premise_group"]
    group = frame["id"].map(by_id)
    if options.groups is None and group.isna().all():
        return frame
    notes.append(Message("premise groups: {file}", file=groups_path.name))
    return frame.assign(premise_group=group)
