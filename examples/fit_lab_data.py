"""Fit extraction constants to shake-out tests, then shake a flask on paper with them."""

import raffinate as rf

table = rf.load_shake_outs("pc88a_hcl_batch_tests")
system = rf.fit_system(table, name="mine").system
print(f"β(Nd/Pr) {system.separation_factor('Nd', 'Pr'):.2f} from {system.sources[0].reference}")

liquor = {"Ce": 533.0, "Pr": 219.0, "Nd": 433.0, "proton": 10.0}  # mol/m³
organic = {"extractant": 1500.0, "saponification_degree": 0.36}
contact = rf.equilibrate(system, liquor, organic, oa_ratio=6.0)
print(f"pH {contact.pH:.2f}, {contact.loading:.0%} of the extractant loaded")
print(contact.to_dataframe().round(3).to_string(index=False))
