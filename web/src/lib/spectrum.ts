/** The analyzer's last spectrum with its fit, as the server sends it. */
import type { Value } from "./messages";

export interface SpectrumElement {
  symbol: string;
  /** Concentration, its standard deviation and detection limit [mol/m³]. */
  value: Value;
  sigma: Value;
  limit: Value;
  below_limit: boolean;
}

export interface Spectrum {
  place: string;
  /** Plant times [s]. */
  sample_time: number;
  result_time: number;
  quality: string;
  flags: { name: string; text: string }[];
  chi2_per_dof: Value;
  elements: SpectrumElement[];
  /** [s] */
  live_time: number;
  /** Points are evenly spaced: first and step [keV]. */
  energy: { first: number; step: number; count: number };
  counts: number[];
  /** Empty where nothing explains the counts; so are parts and residual. */
  fit: number[];
  parts: Record<string, number[]>;
  /** Counts less fit over the root of the fit. */
  residual: number[];
  /** What is corrected for, by comparison with the laboratory; empty where nothing is. */
  bias?: { element: string; percent: number; sigma_percent: number; held: boolean }[];
  /** How many assays that rests on. */
  assays?: number;
}

export interface SpectrumAnswer {
  type: "spectrum";
  spectrum: Spectrum | null;
  /** The page has the newest one already. */
  same: boolean;
}

/** Energies that are drawn [keV]. */
export interface Range {
  from: number;
  to: number;
}

export const RANGES: Record<string, Range | null> = { "L lines": { from: 4, to: 8 }, All: null };

export function energyOf(spectrum: Spectrum, point: number): number {
  return spectrum.energy.first + point * spectrum.energy.step;
}

/** First point and the one after the last within a range. */
export function pointsWithin(spectrum: Spectrum, range: Range | null): [number, number] {
  const { first, step, count } = spectrum.energy;
  if (!range) return [0, count];
  const at = (energy: number) => Math.min(count, Math.max(0, Math.round((energy - first) / step)));
  return [at(range.from), Math.max(at(range.to), at(range.from) + 1)];
}
