"""Bring the catalogues up to date with what the code says: `python -m gradio_app.languages`."""

import ast
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from gradio_app.languages import CATALOGUES, NAMES

ROOT = CATALOGUES.parents[1]
SPOKEN = {"say": 1, "message": 1, "Message": 1, "plural": 2}
"""Functions whose first arguments are texts for translation, and how many arguments that is."""


def find_texts(source: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """Texts for translation in a module, one or (singular, plural), with their lines; inside f-strings too.

    Raises:
        ValueError: Such a text isn't written out, so that no translation could be looked up.
    """
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        count = SPOKEN.get(name)
        if count is None:
            continue
        texts = [one.value if isinstance(one, ast.Constant) else one for one in node.args[:count]]
        written = tuple(one for one in texts if isinstance(one, str) and one)
        if len(written) == count:
            yield written, node.lineno
        elif any(isinstance(one, ast.JoinedStr | ast.BinOp) for one in texts):
            raise ValueError(f"line {node.lineno}: a text for translation is put together: {ast.unparse(node)}")


def collect() -> Catalog:
    """All texts of the page, with the files that say them."""
    catalogue = Catalog(project="Odzera", charset="utf-8")
    for path in sorted(path for folder in ("engine", "gradio_app") for path in (ROOT / folder).rglob("*.py")):
        for texts, _ in find_texts(path.read_text(encoding="utf-8")):
            # Lines would change with every edit.
            where = [(path.relative_to(ROOT).as_posix(), None)]
            catalogue.add(texts if len(texts) > 1 else texts[0], locations=where)  # type: ignore[arg-type]
    return catalogue


def read_catalogue(code: str) -> Catalog:
    """A language's catalogue."""
    with (CATALOGUES / f"{code}.po").open("rb") as file:
        return read_po(file, locale=code)


def update(folder: Path = CATALOGUES) -> None:
    """Add what is new to every catalogue, untranslated, and take out what nobody says any more."""
    template = collect()
    for code in list(NAMES)[1:]:
        catalogue = read_catalogue(code)
        catalogue.update(template, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        path = folder / f"{code}.po"
        body = BytesIO()
        write_po(body, catalogue, width=110, sort_output=True, omit_header=True)
        # The head stays as it is: dates in it would change by themselves.
        head = path.read_bytes().split(b"\n\n")[0]
        path.write_bytes(head + b"\n\n" + body.getvalue())
        print(f"{code}: {len(catalogue)} texts, {len(untranslated(catalogue))} untranslated")


def untranslated(catalogue: Catalog) -> list[str]:
    """Texts that the catalogue lacks a translation of, or a form of it."""
    forms = {
        one.id: one.string if isinstance(one.string, list | tuple) else (one.string,) for one in catalogue if one.id
    }
    return [text if isinstance(text, str) else text[0] for text, said in forms.items() if not all(said)]


if __name__ == "__main__":
    update()
