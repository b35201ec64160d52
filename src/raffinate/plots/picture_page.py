"""Pictures also as one HTML page that needs nothing else: the drawing as SVG inside."""

from __future__ import annotations

from html import escape
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from raffinate.errors import SpecificationError
from raffinate.plots.canvas import ENDINGS, drawing, save_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE_ENDINGS = (*ENDINGS, ".html")
"""What a picture or page is written as."""

_STYLE = (
    "body{margin:0;background:#fff;color:#1b2025;font:16px/1.5 system-ui,sans-serif}"
    "main{max-width:80rem;margin:0 auto;padding:1rem}svg{width:100%;height:auto}"
)


def save_picture_or_page(figure: Figure, path: Path, *, title: str) -> None:
    """Write a figure by the ending of `path`: PNG, SVG, PDF or HTML.

    Args:
        figure: The picture.
        path: Where.
        title: Of the page; a picture has its own.

    Raises:
        SpecificationError: The ending is another one, or the file cannot be written.
    """
    ending = path.suffix.lower()
    if ending not in PAGE_ENDINGS:
        raise SpecificationError(
            f"{path.suffix or 'no ending'!r} is no picture format known here.",
            where=str(path),
            allowed=", ".join(PAGE_ENDINGS),
        )
    if ending != ".html":
        save_picture(figure, path)
        return
    try:
        path.write_text(_page(figure, title), encoding="utf-8")
    except OSError as error:
        raise SpecificationError(
            f"cannot be written ({error.strerror}).", where=str(path), mend="Choose another path."
        ) from error


def _page(figure: Figure, title: str) -> str:
    drawn = StringIO()
    with drawing():
        figure.savefig(drawn, format="svg", facecolor="white", metadata={"Date": None})
    text = drawn.getvalue()
    # The declaration and document type of a file of its own have no place inside a page.
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>\n"
        f"{text[text.index('<svg') :]}</main></body></html>\n"
    )
