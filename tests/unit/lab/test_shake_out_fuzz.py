"""Whatever stands in a file, it is read or refused with a place; nothing else happens."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from raffinate.errors import DataError
from raffinate.lab.shake_out import ShakeOutTable, load_shake_outs, parse_shake_outs
from raffinate.lab.shake_out_columns import recognise
from raffinate.lab.shake_out_review import review_shake_outs
from shake_out_tables import extraction_text, oxide_text, ppm_text

KIM = load_shake_outs("pc88a_hcl_batch_tests").from_laboratory("Kim (2012)")
TEXTS = tuple(form(KIM) for form in (extraction_text, oxide_text, ppm_text))
CELLS = st.one_of(
    st.sampled_from(
        ["", "-", "0", "-1", "nan", "inf", "1e999", "1,5", "<1", "n.d.", "1:2", "1:0", "Nd", "%"]
    ),
    st.text(max_size=6),
    st.floats().map(repr),
)


def attempt(content: str | bytes) -> ShakeOutTable | DataError:
    """Return the table, or the refusal; any other exception is a fault."""
    try:
        return parse_shake_outs(content, name="spoilt")
    except DataError as error:
        return error


@given(st.data())
def test_a_spoilt_cell_is_read_or_refused(data: st.DataObject) -> None:
    lines = data.draw(st.sampled_from(TEXTS)).splitlines()
    number = data.draw(st.integers(0, len(lines) - 1))
    separator = max(",;\t", key=lines[number].count)
    cells = lines[number].split(separator)
    place = data.draw(st.integers(0, len(cells) - 1))
    cells[place] = data.draw(CELLS)
    lines[number] = separator.join(cells)
    table = attempt("\n".join(lines))
    if isinstance(table, DataError):
        assert table.where.startswith("spoilt")
        assert table.what
        return
    for name in ("aqueous_feed", "aqueous", "organic", "distribution_ratio", "oa_ratio"):
        values = getattr(table, name)
        assert np.isfinite(values).all()
        assert (values > 0.0).all()
    assert np.isfinite(table.log10_ratio_deviation()).all()
    assert review_shake_outs(table).to_text()


@given(st.text(max_size=30))
def test_any_heading_is_understood_or_not(heading: str) -> None:
    recognise(heading)


@given(st.one_of(st.text(max_size=200), st.binary(max_size=200)))
def test_any_text_is_a_table_or_refused(content: str | bytes) -> None:
    answer = attempt(content)
    assert not isinstance(answer, DataError) or answer.where.startswith("spoilt")
