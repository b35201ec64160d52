"""From a laboratory's raw workbook to a reported extraction system."""

from pathlib import Path

import raffinate as rf
from raffinate.chemistry.system_file import write_system
from raffinate.lab.shake_out_review import review_shake_outs

workbook = Path(__file__).parent / "shake_outs_wide.xlsx"
table = rf.load_shake_outs(workbook, sheet="Shake-outs")  # g/L, headings of two merged lines
print(review_shake_outs(table).to_text())  # what the checks say before anything is fitted
result = rf.fit_system(table, name="ours")
print(result.to_dataframe().round(3).to_string(index=False))
Path("ours.yaml").write_text(write_system(result.system), encoding="utf-8")
