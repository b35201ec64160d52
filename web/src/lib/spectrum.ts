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

export interface CheckOutcome {
  name: string;
  /** Sampled at plant time [s]. */
  time: number;
  verdict: string;
  /** Element furthest off, in joint standard deviations. */
  element: string;
  worst: Value;
  text: string;
}

export interface Checks {
  /** Newest first. */
  outcomes: CheckOutcome[];
  /** Why readings are not to be trusted; empty when they are. */
  failed: string[];
  confirming: string;
  recalibrations: number;
  /** What the checks changed, by element; null where it never was set [mol/m³] [%]. */
  zero: number[] | null;
  span_percent: number[] | null;
}

export interface AnalyzerState {
  checks: Checks | null;
  /** What is in the cell and why; null where the analyzer keeps to a rota. */
  now: { stream: string | null; why: string | null } | null;
  /** What the estimation asks for, and why, in a sentence. */
  wanted: { requests: { stream: string; worth: number }[]; why: string } | null;
}

export const VERDICTS: Record<string, string> = {
  passed: "passed",
  failed: "failed, is repeated",
  repeated: "repeated",
  not_confirmed: "not confirmed",
  recalibrated: "recalibrated",
  beyond_range: "too far off",
};

const REASONS: Record<string, string> = {
  rota: "its turn",
  check: "a check is due",
  late: "it would be overdue",
  asked: "asked for by the estimation",
};

export function nowSentence(now: AnalyzerState["now"]): string {
  if (!now?.stream) return "";
  return `In the cell: ${now.stream} (${REASONS[now.why ?? ""] ?? now.why}).`;
}

export function askedSentence(wanted: AnalyzerState["wanted"]): string {
  return wanted?.why ? `Asked for next: ${wanted.why}.` : "";
}

export interface SpectrumAnswer {
  type: "spectrum";
  /** Checks and choice of the next stream; null from a server that does not tell. */
  analyzer: AnalyzerState | null;
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
