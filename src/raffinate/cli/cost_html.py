"""An account as one HTML page that needs nothing else."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from raffinate.cli.cost_tables import Sheet, account_tables, headline

if TYPE_CHECKING:
    from raffinate.plant.economics_account import Economics

_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin: 2.25rem 0 0.25rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 0.25rem 0.75rem 0.25rem 0; border-bottom: 1px solid #8884; }
th.text, td.text { text-align: left; }
.note { opacity: 0.75; font-size: 0.9rem; margin: 0.25rem 0 0; }
.missing { color: light-dark(#8a4b00, #ffb86b); }
"""


def account_page(account: Economics) -> str:
    """Return the account as a page: every table, what is missing, and who says so."""
    title = escape(f"{account.plant_name}: cost")
    tables = "\n".join(_table(sheet) for sheet in account_tables(account))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><main>\n"
        f"<h1>{title}</h1><p>{escape(headline(account))}</p>\n"
        f"{_list('Missing', account.missing, 'missing')}"
        f"{_list('Warnings', account.warnings, 'missing')}"
        f"{tables}\n"
        f"{_list('Sources', tuple(str(each) for each in account.sources), 'note')}"
        "</main></body></html>\n"
    )


def _table(sheet: Sheet) -> str:
    head = "".join(_cell("th", text, place, sheet) for place, text in enumerate(sheet.headings))
    body = "\n".join(
        "<tr>"
        + "".join(_cell("td", text, place, sheet) for place, text in enumerate(row))
        + "</tr>"
        for row in sheet.rows
    )
    note = f'<p class="note">{escape(sheet.note)}</p>' if sheet.note else ""
    return (
        f"<h2>{escape(sheet.title)}</h2>\n"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n'
        f"</tbody></table></div>{note}"
    )


def _cell(tag: str, text: str, place: int, sheet: Sheet) -> str:
    kind = ' class="text"' if place < sheet.texts else ""
    return f"<{tag}{kind}>{escape(text)}</{tag}>"


def _list(title: str, lines: tuple[str, ...], kind: str) -> str:
    if not lines:
        return ""
    entries = "".join(f'<li class="{kind}">{escape(line)}</li>' for line in lines)
    return f"<h2>{title}</h2>\n<ul>{entries}</ul>\n"
