/** Reagents per tonne of REO at the plant's nominal flows. */
import type { Plant, Value } from "./messages";

/** By formula, [t per t REO]; empty where the server does not know them. */
export function nominalReagents(plant: Plant): Record<string, Value> {
  const told = plant as Plant & { nominal_reagents_per_t_reo?: Record<string, Value> };
  return told.nominal_reagents_per_t_reo ?? {};
}
