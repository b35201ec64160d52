"""From a raw table of a laboratory to an extraction system and a report on how far to trust it."""

from pathlib import Path

import raffinate as rf
from raffinate.chemistry.system_file import write_system
from raffinate.plots.fit_html import save_fit_report

table = rf.load_shake_outs("pc88a_hcl_batch_tests")  # or the path of your own CSV or Excel file
result = rf.fit_system(table, name="ours")
Path("ours.yaml").write_text(write_system(result.system), encoding="utf-8")
save_fit_report(result, Path("ours.html"))
print(result.to_dataframe().groupby("laboratory")["log10_residual"].describe().round(2))
print(f"β(Nd/Pr) {result.system.separation_factor('Nd', 'Pr'):.2f}, see ours.html")
