"""Tables of results inside Markdown documents, between markers: `<!-- NAME -->` and `<!-- /NAME -->`.

The results are JSON files of tables (`tables.write`) that lie beside the documents. `sections` renders them,
`update` writes them into a document, and `stale` names those that are out of date in a document.
"""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path

from msdae.errors import UserError
from msdae.evaluation import tables
from msdae.evaluation.tables import Table
from msdae.files import atomic, read_text

# An opening marker, its closing marker, each on a line of its own, and the text between them.
_MARKED = re.compile(r"^<!-- (?P<name>[^/\s].*?) -->\n(?P<body>.*?)^<!-- /(?P=name) -->$", re.S | re.M)
_OPENING = re.compile(r"^<!-- (?P<name>[^/\s].*?) -->$", re.M)
_CLOSING = re.compile(r"^<!-- /(?P<name>\S.*?) -->$", re.M)


def name_of(table: Table) -> str:
    """The title as one word: "Table 4: transfer, NSynth / notes" becomes "table-4-transfer-nsynth-notes"."""
    return re.sub(r"\W+", "-", table.title.lower()).strip("-")


def stored(folder: str | Path) -> dict[str, Table]:
    """The tables of every JSON file in `folder`, {"FILE/TITLE": table}.

    Raises:
        UserError: a file is not a list of tables, or two tables have the same name.
    """
    by_name: dict[str, Table] = {}
    for path in sorted(Path(folder).glob("*.json")):
        for table in tables.read(path):
            name = f"{path.stem}/{name_of(table)}"
            if name in by_name:
                raise UserError(f"{path}: two tables are called '{table.title}'; give each its own title")
            by_name[name] = table
    return by_name


def sections(folder: str | Path) -> dict[str, str]:
    """The Markdown texts that documents may show of the results in `folder`, by name.

    "FILE": all tables of FILE.json, each below its heading, note and command. "FILE/TITLE": one of them.
    "FILE/TITLE rows": that table without heading, note and command.

    Raises:
        UserError: as `stored`.
    """
    texts: dict[str, str] = {}
    for name, table in stored(folder).items():
        file = name.partition("/")[0]
        texts[file] = "\n\n".join([texts[file], table.markdown()] if file in texts else [table.markdown()])
        texts[name] = table.markdown()
        texts[f"{name} rows"] = tables.markdown(table.header, table.rows)
    return texts


def update(path: str | Path, sections: Mapping[str, str]) -> None:
    """Replace the text between the markers of the document `path`; the rest of the document stays.

    sections: {name of the marker: text}. The document need not show all of them.

    Raises:
        UserError: the document cannot be read or written, or has a marker without its partner or a marker
            whose name is not in `sections`.
    """
    text = _read(path, sections)
    for name in _names(text):
        if name not in sections:
            near = difflib.get_close_matches(name, sections, n=1, cutoff=0.0)
            fix = f"did you mean '{near[0]}'?" if near else "there are none"
            raise UserError(f"{path}: marker '{name}' names no results; {fix}")
    renewed = _MARKED.sub(lambda match: _marked(match["name"], sections[match["name"]]), text)
    if renewed != text:
        with atomic(path) as temporary:
            temporary.write_text(renewed, encoding="utf-8")


def stale(path: str | Path, sections: Mapping[str, str]) -> list[str]:
    """The names of the markers in the document `path` whose text is not that in `sections`, or not in it.

    Raises:
        UserError: the document cannot be read, or has a marker without its partner.
    """
    return [
        match["name"]
        for match in _MARKED.finditer(_read(path, sections))
        if match["name"] not in sections or match[0] != _marked(match["name"], sections[match["name"]])
    ]


def _marked(name: str, body: str) -> str:
    return f"<!-- {name} -->\n\n{body.strip()}\n\n<!-- /{name} -->"


def _names(text: str) -> list[str]:
    return [match["name"] for match in _MARKED.finditer(text)]


def _read(path: str | Path, sections: Mapping[str, str]) -> str:
    """The text of the document, whose markers are checked to come in pairs.

    A comment without a closing partner counts as a marker only if its name is in `sections`.
    """
    text = read_text(path, "name a Markdown file")
    pairs = _names(text)
    closing = [match["name"] for match in _CLOSING.finditer(text)]
    opening = [match["name"] for match in _OPENING.finditer(text) if match["name"] in sections]
    for name in dict.fromkeys([*closing, *opening]):
        if max(closing.count(name), opening.count(name)) != pairs.count(name):
            raise UserError(f"{path}: write '<!-- {name} -->' before and '<!-- /{name} -->' after its table")
    return text
