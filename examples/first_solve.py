"""Solve the shipped plant for its nominal purities, from a cold start, and look at the result."""

import raffinate as rf

plant = rf.load_plant("ceprnd_p507")
state = rf.solve_nominal(plant)

for name, product in state.products.items():
    print(f"{name}: {product.purity:.3%} of REO, {product.recovery:.2%} recovered")
print(state.to_dataframe().set_index("stage").loc[[1, 26, 60, 68]].round(4).T)
