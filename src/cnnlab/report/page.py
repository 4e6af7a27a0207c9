"""A page of HTML that needs nothing but itself: plain values in, escaped markup out."""

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import NewType
from urllib.parse import quote

from cnnlab.report.embedding import Picture, as_data_uri, shown_width

Markup = NewType("Markup", str)  # HTML in which whatever came from files or users is escaped

OPEN_FIGURES = 6
STYLE = """
:root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --text: #1c2024; --soft: #5d6671;
  --line: #dfe3e8; --accent: #0072b2; --best: #e8f2f9; --warn: #9a4a00; }
@media (prefers-color-scheme: dark) {
  :root { --page: #0c0e11; --card: #17191f; --text: #e8eaed; --soft: #9aa4af; --line: #2c323a;
    --accent: #56b4e9; --best: #16283a; --warn: #ffae73; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); overflow-wrap: anywhere;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; -webkit-text-size-adjust: 100%; }
main { max-width: 68rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.15rem; margin: 0 0 .8rem; }
p { margin: 0 0 .8rem; }
.soft, .notes { color: var(--soft); }
.notes { font-size: .875rem; }
.lead { font-size: 1.1rem; }
.warn { color: var(--warn); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 1.1rem 1.2rem; margin-top: 1rem; }
section > :last-child { margin-bottom: 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .6rem;
  margin: 0 0 1rem; }
.tiles div { border: 1px solid var(--line); border-radius: 10px; padding: .6rem .8rem; display: flex;
  flex-direction: column; justify-content: space-between; }
.tiles dt { color: var(--soft); font-size: .8rem; line-height: 1.3; }
.tiles dd { margin: 0; font-size: 1.35rem; font-weight: 600; line-height: 1.3;
  font-variant-numeric: tabular-nums; }
.tiles div:first-child { border-color: var(--accent); }
.tiles div:first-child dd { color: var(--accent); }
.scroll { overflow-x: auto; margin: 0 0 .8rem; }
table { border-collapse: collapse; font-size: .9rem; overflow-wrap: normal;
  font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem .35rem .4rem;
  border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
td { min-width: 2.5rem; max-width: 28rem; overflow-wrap: break-word; }
td.n { white-space: nowrap; }
tr.best td { background: var(--best); font-weight: 600; }
pre { margin: 0 0 .8rem; padding: .8rem 1rem; white-space: pre-wrap; background: var(--page);
  border: 1px solid var(--line); border-radius: 8px;
  font: .85rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
figure { margin: 0 0 1.6rem; }
figure img { display: block; max-width: 100%; height: auto; border-radius: 6px; }
figcaption { margin-bottom: .5rem; color: var(--soft); font-size: .9rem; }
figcaption b { color: var(--text); }
figcaption b::first-letter, summary::first-letter, .tiles dt::first-letter { text-transform: uppercase; }
figcaption b { display: inline-block; }
details { border-top: 1px solid var(--line); padding: .6rem 0; }
details:last-child { padding-bottom: 0; }
details > :last-child { margin-bottom: 0; }
summary { cursor: pointer; font-weight: 600; }
details[open] > summary { margin-bottom: .7rem; }
ul { margin: 0 0 .8rem; padding-left: 1.2rem; }
a { color: var(--accent); }
@media (max-width: 30rem) {
  main { padding: 1rem .6rem 3rem; }
  section { padding: .9rem .8rem; }
  h1 { font-size: 1.35rem; }
  .lead { font-size: 1.02rem; }
  .tiles { grid-template-columns: 1fr 1fr; }
}
@media (max-width: 48rem) {
  figure img { max-width: none; }
}
@media print { figure, tr { break-inside: avoid; } }
"""
NUMBER = re.compile(r"[-+<]?[\d.,]+( ± [\d.]+)?( \(.*\))?")


def page(title: str, *parts: Markup) -> str:
    """The whole file.

    Args:
        title: of the window.
        parts: one below the other.

    Examples:
        >>> "<title>a &amp; b</title>" in page("a & b", heading("a & b"))
        True
    """
    # Nothing is to be fetched from anywhere, even if something should slip through.
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    head = [
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
    ]
    before = ["<!DOCTYPE html>", '<html lang="en">', "<head>", *head, "</head>", "<body>", "<main>"]
    return "\n".join([*before, *parts, "</main>", "</body>", "</html>", ""])


def heading(text: str, below: str = "") -> Markup:
    """The page's title, and a soft line below."""
    line = f'\n<p class="soft">{escape(below)}</p>' if below else ""
    return Markup(f"<header><h1>{escape(text)}</h1>{line}</header>")


def section(title: str, *parts: Markup) -> Markup:
    """A part of the page; nothing where it is empty."""
    inner = "\n".join(part for part in parts if part)
    return Markup(f"<section>\n<h2>{escape(title)}</h2>\n{inner}\n</section>" if inner else "")


def fold(title: str, *parts: Markup) -> Markup:
    """What is seen when it is asked for; nothing where it is empty."""
    inner = "\n".join(part for part in parts if part)
    summary = f"<summary>{escape(title)}</summary>"
    return Markup(f"<details>{summary}\n{inner}\n</details>" if inner else "")


def paragraph(text: str, kind: str = "") -> Markup:
    """A paragraph, ``lead``, ``soft``, ``warn`` or plain.

    Examples:
        >>> paragraph("<i> & '", "soft")
        '<p class="soft">&lt;i&gt; &amp; &#x27;</p>'
    """
    named = f' class="{kind}"' if kind else ""
    return Markup(f"<p{named}>{escape(text)}</p>" if text else "")


def emphasised(text: str) -> Markup:
    """Small print in which ``*words*`` stand out.

    Examples:
        >>> emphasised("*Improvement* of <x>")
        '<p class="notes"><em>Improvement</em> of &lt;x&gt;</p>'
    """
    said = re.sub(r"\*(\w[\w ]*)\*", r"<em>\1</em>", escape(text))
    return Markup(f'<p class="notes">{said}</p>')


def tiles(values: Mapping[str, str]) -> Markup:
    """Values in large letters, each with its name; the first stands out."""
    cells = (f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in values.items())
    return Markup(f'<dl class="tiles">{"".join(cells)}</dl>')


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, best_first: bool = False) -> Markup:
    r"""A table that scrolls by itself where it is too wide.

    Args:
        head: names of the columns.
        rows: cells.
        best_first: make the first row stand out.

    Examples:
        >>> table(["a"], [["<b>"]])
        '<div class="scroll"><table><tr><th>a</th></tr>\n<tr><td>&lt;b&gt;</td></tr></table></div>'
    """
    if not rows:
        return Markup("")
    lines = ["<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>"]
    for i, row in enumerate(rows):
        cells = "".join(
            f'<td class="n">{escape(cell)}</td>' if NUMBER.fullmatch(cell) else f"<td>{escape(cell)}</td>"
            for cell in row
        )
        lines.append(f'<tr class="best">{cells}</tr>' if best_first and i == 0 else f"<tr>{cells}</tr>")
    body = "\n".join(lines)
    return Markup(f'<div class="scroll"><table>{body}</table></div>')


def command(text: str) -> Markup:
    """What is typed."""
    return Markup(f"<pre>{escape(text)}</pre>")


def points(lines: Sequence[str], kind: str = "") -> Markup:
    """A list; nothing where it is empty."""
    named = f' class="{kind}"' if kind else ""
    return Markup(f"<ul{named}>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else "")


def links(places: Mapping[str, str]) -> Markup:
    """A list of links to files that lie beside the page.

    Args:
        places: by what is read, the path from the page.
    """
    lines = (
        f'<li><a href="./{escape(quote(place))}">{escape(name)}</a></li>' for name, place in places.items()
    )
    return Markup(f"<ul>{''.join(lines)}</ul>" if places else "")


def figures(pictures: Sequence[Picture]) -> Markup:
    """The first six open, each of the others behind a fold."""
    shown = [_figure(picture) for picture in pictures[:OPEN_FIGURES]]
    folded = [fold(picture.name, _figure(picture)) for picture in pictures[OPEN_FIGURES:]]
    return Markup("\n".join([*shown, *folded]))


def _figure(picture: Picture) -> Markup:
    """A picture, and its twin where the reader's page is dark."""
    name, caption = escape(picture.name), escape(picture.caption)
    said = f"<b>{name}</b>. {caption}" if caption else f"<b>{name}</b>"
    image = f'<img alt="{name}" width="{shown_width(picture.light)}" src="{as_data_uri(picture.light)}">'
    if picture.dark is not None:
        dark = f'<source media="(prefers-color-scheme: dark)" srcset="{as_data_uri(picture.dark)}">'
        image = f"<picture>{dark}{image}</picture>"
    return Markup(f'<figure><figcaption>{said}</figcaption><div class="scroll">{image}</div></figure>')
