"""Spaces and repositories on the terminal."""

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from engine.terminal import note, out, print_json

if TYPE_CHECKING:
    from engine.hub.upload import Upload
    from engine.sharing.space import Built

SHOWN = 12
"""Lines of a table before the rest is summed up."""


def show_built(built: "Built", as_json: bool) -> None:
    """What a Space holds, and how large its parts are."""
    if as_json:
        print_json(
            {
                "folder": str(built.folder),
                "hardware": built.hardware.name,
                "python_version": built.hardware.python_version,
                "bytes": built.total_bytes,
                "models": list(built.models),
                "parts": dict(built.parts),
                "notes": list(built.notes),
            }
        )
        return
    for line in built.notes:
        note(line)
    table = Table(box=None, header_style="bold")
    table.add_column("part")
    table.add_column("MB", justify="right")
    parts = list(built.parts.items())
    for part, size in parts[:SHOWN]:
        table.add_row(escape(part), f"{size / 1e6:.2f}")
    if len(parts) > SHOWN:
        table.add_row(f"{len(parts) - SHOWN} more", f"{sum(size for _, size in parts[SHOWN:]) / 1e6:.2f}")
    out.print(table)
    out.print(
        f"[bold]{escape(str(built.folder))}[/] is a Space for {built.hardware.says}: {len(built.models)} models, "
        f"{built.total_bytes / 1e6:.1f} MB.",
        soft_wrap=True,
    )
    note("Share it: odzera space push USER/NAME with the same options.")


def show_upload(upload: "Upload", dry_run: bool, as_json: bool) -> None:
    """What was uploaded, or would be, and the link."""
    if as_json:
        print_json({**upload.as_dict(), "dry_run": dry_run})
        return
    size = sum(upload.changed.values()) / 1e6
    if dry_run:
        made = f"{upload.target.link} would be made. " if upload.new else ""
        out.print(
            f"{made}{len(upload.changed)} files ({size:.1f} MB) would be uploaded and {len(upload.deleted)} deleted; "
            f"{upload.unchanged} are there unchanged.",
            soft_wrap=True,
        )
        largest = sorted(upload.changed.items(), key=lambda one: (-one[1], one[0]))
        for name, count in largest[:SHOWN]:
            note(f"{count / 1e6:8.2f} MB  {name}")
        if len(largest) > SHOWN:
            note(f"and {len(largest) - SHOWN} smaller ones")
        return
    if upload.commit:
        out.print(
            f"Uploaded {len(upload.changed)} files ({size:.1f} MB), deleted {len(upload.deleted)}; "
            f"{upload.unchanged} were there unchanged.",
            soft_wrap=True,
        )
    else:
        out.print("Nothing to upload: all of it is there unchanged.")
    out.print(f"{upload.target.link}{' (private)' if upload.private else ''}", soft_wrap=True)
