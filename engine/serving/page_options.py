"""The options of the page's program, for `odzera app`, which starts it, and for the program itself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

AUTH = "ODZERA_AUTH"
"""The environment variable that may name users instead of a file, a `USER:PASSWORD` a line."""


@dataclass(frozen=True)
class PageOption:
    """An option of the command line; its flag is `--NAME`, and `--no-NAME` too where it is on by default."""

    name: str
    kind: type
    """`str`, `int`, `Path`, `bool` for a flag without a value, `list` for texts of an option that may be repeated."""
    default: Any
    help: str
    metavar: str | None = None

    @property
    def flag(self) -> str:
        """`--allow-host` of `allow_host`."""
        return f"--{self.name.replace('_', '-')}"


PAGE_OPTIONS = (
    PageOption("host", str, "127.0.0.1", "Address to listen on; 0.0.0.0 for the whole network."),
    PageOption("port", int, 7860, "Port to listen on."),
    PageOption(
        "allow_host",
        list,
        None,
        "Another name that the page is reached under, as NAME or NAME:PORT: of a proxy in front. May be repeated.",
        "NAME",
    ),
    PageOption(
        "root_path",
        str,
        "",
        "Where a proxy in front serves the page, as /odzera, whether it takes that path off or leaves it.",
        "PATH",
    ),
    PageOption("export", bool, True, "Export models that aren't yet, behind the page."),
    PageOption("open", bool, False, "Open the page in the browser."),
    PageOption(
        "auth",
        Path,
        None,
        f"Ask for a password: a file with USER:PASSWORD in each line, or the same in the environment variable {AUTH}. "
        "Neither is seen in a list of processes.",
        "FILE",
    ),
    PageOption("share", bool, False, "A public link through Gradio's servers, for a week."),
    PageOption("mcp", bool, False, "Serve the models as tools for language models (MCP)."),
)


def page_arguments(values: Mapping[str, Any]) -> Iterator[str]:
    """The command line of the page's program that has the values of `PAGE_OPTIONS`, by name."""
    for option in PAGE_OPTIONS:
        value = values[option.name]
        if option.kind is bool:
            if value != option.default:
                yield option.flag if value else option.flag.replace("--", "--no-", 1)
        elif value is not None:
            # In one word with the flag, so that a value may begin with a dash.
            yield from (f"{option.flag}={one}" for one in (value if option.kind is list else [value]))
