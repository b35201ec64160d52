/** The messages between the page and its server; docs/reference/page-messages.md explains them. */
import type { SpectrumAnswer } from "./spectrum";

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
  /** Fastest permitted change, in `unit` per hour. */
  rate: Value;
  /** Setpoint of the declared safe plan, in `unit`. */
  safe: Value;
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

/** What a visitor may ask for; the server decides again at every request. */
export type Right =
  | "mode"
  | "setpoint"
  | "alarm_acknowledge"
  | "alarm_shelve"
  | "alarm_suppress"
  | "alarm_service"
  | "upset"
  | "speed"
  | "what_if";

export interface Session {
  user: string;
  role: "viewer" | "operator" | "engineer";
  can: Right[];
  /** Whether this visitor logged in, so that logging out means something. */
  login: boolean;
}

/** Plant hours between which the past can be shown. */
export interface Span {
  from_h: number;
  to_h: number;
}

/** Concentrations by phase and element, [mol/L], one entry per stage. */
export interface NominalProfile {
  aqueous: Record<string, Value[]>;
  organic: Record<string, Value[]>;
}

export interface Hello {
  type: "hello";
  plant: Plant;
  trend: Columns;
  events: PlantEvent[];
  horizon_h: number | null;
  session: Session;
  history: Span | null;
  nominal_profile: NominalProfile | null;
}

export interface LabAssay {
  purity: Value;
  age_h: number;
  sigma?: Value;
}

export interface ProductState {
  purity: Value;
  lab: LabAssay | null;
  /** Null where nobody knows the purity. */
  in_spec: boolean | null;
  off_spec_h: number;
  off_spec_t: number;
  lots: number;
  lots_off_spec: number;
  /** Of the product's elements that left the plant, the share that left in it. */
  recovery: Value;
  reo_kg_per_h: Value;
  /** Standard deviation of the purity as the instruments know it. */
  sigma: Value;
  /** log10 of limit over impurity: positive inside the specification. */
  margin_decades: Value;
  /** The same distance in standard deviations of the purity. */
  margin_sigma: Value;
}

export interface LeverState {
  setpoint: Value;
  measured: Value;
  /** "operator", or the control that moves it. */
  held_by: string;
  /** Output to the pump, percent of its range. */
  output: Value;
  /** What was asked for, before limits and rates; in the lever's unit. */
  requested: Value;
  /** Plant time at which the plan in force lapses [h]. */
  plan_expires_h: Value;
  /** Permitted range now, where it is narrower than the lever's own. */
  low: Value;
  high: Value;
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

/** States of ISA-18.2; an alarm in its normal state is not listed. */
export type AlarmState =
  | "unacknowledged"
  | "acknowledged"
  | "returned"
  | "shelved"
  | "suppressed"
  | "out_of_service";

export interface Alarm {
  tag: string;
  text: string;
  priority: AlarmPriority;
  since_h: number;
  state: AlarmState;
  /** Whether its condition holds now. */
  active: boolean;
  /** Whether it came first of those that came together. */
  first_out: boolean;
  cause: string;
  consequence: string;
  action: string;
  shelved_until_h: number | null;
  chattering: boolean;
  /** Name it shares with the alarms of one cause; empty for none. */
  group?: string;
  /** Whether it steps back behind others while a flood lasts. */
  collapsed?: boolean;
  /** How long there is to act [min]. */
  respond_within_min?: number;
  /** How long it may be shelved [h]; 0 for not at all. */
  longest_shelving_h?: number;
  /** Tag of the alarm by whose cause it is suppressed by design; empty for none. */
  suppressed_while?: string;
  acknowledged_by?: string;
  put_aside_by?: string;
  comment?: string;
}

/** Figures of the alarm system, after ISA-18.2 / IEC 62682. */
export interface AlarmFigures {
  standing: number;
  unacknowledged: number;
  shelved: number;
  suppressed: number;
  out_of_service: number;
  /** Mean of the last 24 plant hours. */
  per_10_min: Value;
  peak_10_min: Value;
  per_day: Value;
  flood: boolean;
  /** Share of the time spent in floods, percent. */
  flood_percent: Value;
  chattering: string[];
  stale: string[];
  /** Annunciations by priority. */
  by_priority: Record<AlarmPriority, number>;
}

export type PlcMode = "remote" | "hold" | "safe";

export interface Interlock {
  name: string;
  text: string;
  active: boolean;
}

export interface Plc {
  mode: PlcMode;
  /** Whether the watchdog hears the guard's heartbeat. */
  watchdog: boolean;
  interlocks: Interlock[];
}

export interface ProcessInfo {
  name: string;
  state: "running" | "starting" | "restarting" | "stopped" | "failed";
  pid: number | null;
  /** Wall seconds in this state. */
  since_s: Value;
  restarts: number;
  cpu_percent: Value;
  memory_MB: Value;
  /** Wall seconds since its last heartbeat. */
  age_s: Value;
}

export interface LinkInfo {
  name: string;
  connected: boolean;
  age_s: Value;
  round_trip_ms: Value;
}

export interface SolverInfo {
  step_ms: Value;
  advice_ms: Value;
  /** Worst relative error of the element balances. */
  balance_error: Value;
}

export interface ControllerInfo {
  /** Why the supervisor holds still; empty while it acts. */
  holding: string;
  /** Shifts of its targets by the laboratory, one per product, [decades]. */
  trim: Value[];
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
  history: Span | null;
  plc: Plc | null;
  alarm_figures: AlarmFigures | null;
  processes: ProcessInfo[];
  links: LinkInfo[];
  solver: SolverInfo | null;
  controller: ControllerInfo | null;
}

/** Keys that a server may leave out of `state`, and what the page takes in their place. */
export const STATE_DEFAULTS = {
  history: null, plc: null, alarm_figures: null, processes: [], links: [], solver: null,
  controller: null,
} satisfies Partial<PlantState>;

/** The same of `hello`: a server without users lets everyone ask, and answers. */
export const HELLO_DEFAULTS = {
  session: {
    user: "local", role: "engineer", login: false,
    can: [
      "mode", "setpoint", "alarm_acknowledge", "alarm_shelve", "alarm_suppress", "alarm_service",
      "upset", "speed", "what_if",
    ],
  },
  history: null,
  nominal_profile: null,
} satisfies Partial<Hello>;

/** The plant at one moment of the past. */
export interface ReplayFrame {
  type: "frame";
  t_h: number;
  mode: string;
  profile: Profile | null;
  readings: Reading[];
  levers: Record<string, LeverState>;
  products: Record<string, ProductState>;
}

export interface HistoryAnswer {
  type: "history";
  id: number;
  columns: Columns;
}

export interface WhatIfProduct {
  purity: Value;
  in_spec: boolean;
  /** Null where the product stays in specification over the horizon. */
  hours_to_off_spec: Value;
}

export interface WhatIfAnswer {
  type: "what_if";
  id: number;
  progress: number;
  live: false;
  done: boolean;
  columns: Columns | null;
  profile: Profile | null;
  products: Record<string, WhatIfProduct> | null;
  text: string;
}

export interface Refusal {
  where: string;
  what: string;
  allowed?: string | null;
  mend?: string | null;
}

export type FromServer =
  | { type: "starting"; text: string }
  | { type: "login"; required: boolean; error: string | null }
  | Hello
  | PlantState
  | ReplayFrame
  | HistoryAnswer
  | WhatIfAnswer
  | SpectrumAnswer
  | { type: "trend"; columns: Columns }
  | ({ type: "event" } & PlantEvent)
  | { type: "error"; error: Refusal };

export type ToServer =
  | { type: "mode"; mode: string }
  | { type: "setpoint"; lever: string; value: number }
  | { type: "upset"; name: string }
  | { type: "clear_upset"; name: string }
  | { type: "speed"; value: number }
  | AlarmRequest
  | { type: "replay"; t_h: number }
  | { type: "history"; id: number; tags: string[]; from_h: number; to_h: number; points: number }
  | { type: "what_if"; id: number; levers: Record<string, number>; hours: number }
  | { type: "what_if_cancel" }
  /** `sample_time` of the spectrum the page has, which is not sent again. */
  | { type: "spectrum"; sample_time: number | null };

export type AlarmAction =
  | "acknowledge"
  | "shelve"
  | "unshelve"
  | "suppress"
  | "unsuppress"
  | "out_of_service"
  | "in_service";

export type AlarmRequest =
  | { type: "alarm"; action: "acknowledge_all" }
  | { type: "alarm"; action: AlarmAction; tag: string; hours?: number; comment?: string };
