/** The messages between the page and its server; docs/reference/page-messages.md explains them. */

export type Priority = "info" | "low" | "medium" | "high";
export type AlarmPriority = Exclude<Priority, "info">;

/** A number as the server sends it: null stands for "no value", since JSON has no NaN. */
export type Value = number | null;
export type ByElement = Record<string, Value>;

export interface Section {
  name: string;
  first: number;
  last: number;
}

export interface ProductInfo {
  name: string;
  title: string;
  /** Least purity, mass fraction of REO. */
  limit: number;
  from_stage: number;
  keys: string[];
}

export interface LeverInfo {
  name: string;
  title: string;
  unit: string;
  low: number;
  high: number;
  nominal: number;
}

export interface UpsetInfo {
  name: string;
  title: string;
}

export interface Plant {
  name: string;
  title: string;
  virtual: boolean;
  elements: string[];
  sections: Section[];
  feed_stage: number;
  monitored: number[];
  products: ProductInfo[];
  levers: LeverInfo[];
  modes: string[];
  upsets: UpsetInfo[];
  speeds: number[];
}

export type Columns = Record<string, Value[]>;

export interface PlantEvent {
  t_h: number;
  kind: string;
  text: string;
  priority: Priority;
}

export interface Hello {
  type: "hello";
  plant: Plant;
  trend: Columns;
  events: PlantEvent[];
  horizon_h: number | null;
}

export interface LabAssay {
  purity: Value;
  age_h: number;
  sigma?: Value;
}

export interface ProductState {
  purity: Value;
  lab: LabAssay | null;
  in_spec: boolean;
  off_spec_h: number;
  off_spec_t: number;
  lots: number;
  lots_off_spec: number;
  /** Of the product's elements that left the plant, the share that left in it. */
  recovery: Value;
  reo_kg_per_h: Value;
}

export interface LeverState {
  setpoint: Value;
  measured: Value;
  /** "operator", or the control that moves it. */
  held_by: string;
}

/** Concentrations in mol/L, one entry per stage, stage 1 first. */
export interface Profile {
  aqueous: Record<string, Value[]>;
  organic: Record<string, Value[]>;
  pH: Value[];
  free_extractant: Value[];
}

export interface Reading {
  place: string;
  stage: number | null;
  age_h: number;
  fraction: ByElement;
  sigma: ByElement;
  quality: "good" | "bad" | "stale";
}

export interface Target {
  stage: number;
  fraction: ByElement;
}

export interface Rule {
  text: string;
  strength: number;
}

export interface Alarm {
  tag: string;
  text: string;
  priority: AlarmPriority;
  since_h: number;
}

export interface Upset {
  name: string;
  title: string;
  from_h: number;
  to_h: number | null;
  active: boolean;
}

export interface PlantState {
  type: "state";
  t_h: number;
  run: "running" | "paused" | "finished";
  speed: number;
  mode: string;
  products: Record<string, ProductState>;
  reagents_per_t_reo: Record<string, Value>;
  levers: Record<string, LeverState>;
  profile: Profile | null;
  readings: Reading[];
  targets: Target[];
  rules: Rule[];
  alarms: Alarm[];
  upsets: Upset[];
  analyzer: { place: string; age_h: number } | null;
}

export interface Refusal {
  where: string;
  what: string;
  allowed?: string | null;
  mend?: string | null;
}

export type FromServer =
  | { type: "starting"; text: string }
  | Hello
  | PlantState
  | { type: "trend"; columns: Columns }
  | ({ type: "event" } & PlantEvent)
  | { type: "error"; error: Refusal };

export type ToServer =
  | { type: "mode"; mode: string }
  | { type: "setpoint"; lever: string; value: number }
  | { type: "upset"; name: string }
  | { type: "clear_upset"; name: string }
  | { type: "speed"; value: number };
