"""Let saponification fall by a tenth, leave the plant alone, and see when it goes off."""

from pathlib import Path

import raffinate as rf
from raffinate.plots.trajectory import save_trajectory

plant = rf.load_plant("ceprnd_p507")
upset = rf.parse_event("organic.saponification_degree*=0.9@6h", plant.circuit.elements)
trajectory = rf.simulate(plant, duration=rf.to_si("48 h", "s"), events=[upset])

for name in plant.products:
    hours = trajectory.hours_to_off_spec(name)
    print(f"{name}: off specification", f"after {hours:.1f} h" if hours < 48.0 else "never")
save_trajectory(trajectory, Path("upset.png"), plant=plant)
