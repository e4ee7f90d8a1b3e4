"""Data sets from the Hugging Face Hub, read at a resolved commit."""

from typing import Any

from engine.data.tables import Reading, Table
from engine.data.tables.columnar import cells_of
from engine.data.tasks import SPLITS, Task
from engine.errors import HubError
from engine.hub import cache, client


def read_hub(task: Task, revision: str | None, subset: str | None) -> tuple[str, dict[str, Table]]:
    """Read the task's data set.

    The branch is resolved to a commit first and that commit is loaded and named, so a result says exactly what it
    was measured on even if the data set changes later. The token comes from `HF_TOKEN` or the login cache.

    Args:
        task: Whose data set.
        revision: Branch, tag or commit; the task's own when missing.
        subset: One of the data set's subsets; the task's own when missing.

    Returns:
        `hub:owner/name@commit`, and a table for each split, classes by their names.

    Raises:
        HubError: The hub can't be reached, or refuses.
    """
    repo_id = task.hub.repo_id
    with client.one_line_errors(repo_id, page=f"datasets/{repo_id}"):
        wanted = revision or task.hub.revision
        with cache.incoming(repo_id, wanted, kind="dataset") as repository:
            loaded = _load(repository, subset or task.hub.subset)
        parts = {split: _table(f"{repo_id} {split}", loaded[split]) for split in SPLITS if split in loaded}
    return f"hub:{repo_id}@{repository.commit[:12]}", parts


def _load(repository: cache.Incoming, subset: str | None) -> Any:
    """The splits of a data set; its files are verified before `datasets` makes tables of them."""
    from datasets import load_dataset_builder
    from datasets.utils.logging import disable_progress_bar, set_verbosity_error

    disable_progress_bar()
    set_verbosity_error()
    repository.fetch({"README.md"} & set(repository.hashes))
    # With `hf://`, a folder of the same name isn't taken for it.
    try:
        builder = load_dataset_builder(f"hf://datasets/{repository.repo_id}", name=subset, revision=repository.commit)
    except FileNotFoundError as error:
        if error.__cause__ is not None:
            raise
        raise HubError(f"{repository.repo_id} has no data files that can be read.") from error
    # `datasets` has refused addresses outside the repository.
    start = f"hf://datasets/{repository.repo_id}@{repository.commit}/"
    repository.fetch(one.removeprefix(start) for split in builder.config.data_files.values() for one in split)
    builder.download_and_prepare()
    return builder.as_dataset()


def _table(name: str, rows: Any) -> Table:
    """A split of a data set as a table."""
    data = rows.with_format("arrow")[:]
    cells = cells_of(data, _class_names(rows.features), name)
    return Table(name, cells.columns, cells.numbers, cells.fetch, Reading("Hub", notes=cells.notes))


def _class_names(features: Any) -> dict[str, list[str]]:
    return {column: list(feature.names) for column, feature in features.items() if hasattr(feature, "names")}
