/** Mole fractions among the plant's elements, from concentrations in mol/L. */
import type { Plant, Value } from "./messages";

export type Phase = Record<string, Value[]>;

/** Fraction of each element at a stage (index 0 is stage 1); null where the phase is empty. */
export function fractionsAt(phase: Phase, elements: string[], index: number): Value[] {
  let total = 0;
  const amounts = elements.map((element) => Math.max(0, phase[element]?.[index] ?? 0));
  for (const amount of amounts) total += amount;
  return amounts.map((amount) => (total > 0 ? amount / total : null));
}

/** Elements whose share colours the heat strip: those of the product drawn last. */
export function heatElements(plant: Plant): string[] {
  return plant.products.toSorted((a, b) => a.from_stage - b.from_stage).at(-1)?.keys ?? [];
}

export function stageCount(plant: Plant): number {
  return Math.max(...plant.sections.map((section) => section.last));
}

export function sectionOf(plant: Plant, stage: number): string {
  const found = plant.sections.find(({ first, last }) => stage >= first && stage <= last);
  return found?.name ?? "";
}
