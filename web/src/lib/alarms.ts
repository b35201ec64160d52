/** Order, words and targets of alarms, after ANSI/ISA-18.2-2016 and IEC 62682:2014. */
import { NO_VALUE, fixed } from "./format";
import type { Alarm, AlarmFigures, AlarmPriority, AlarmState, Value } from "./messages";

export type AlarmTab = "standing" | "shelved" | "suppressed" | "out_of_service";

export const ALARM_TABS: { name: AlarmTab; title: string; empty: string }[] = [
  { name: "standing", title: "Standing", empty: "No alarm stands." },
  { name: "shelved", title: "Shelved", empty: "No alarm is shelved." },
  { name: "suppressed", title: "Suppressed", empty: "No alarm is suppressed by design." },
  { name: "out_of_service", title: "Out of service", empty: "No alarm is out of service." },
];

const SHELVE_HOURS = [0.5, 1, 2, 8];

/** Plant hours an alarm may be shelved for; none where its definition forbids it. */
export const shelveHours = (alarm: Alarm): number[] =>
  SHELVE_HOURS.filter((hours) => hours <= (alarm.longest_shelving_h ?? Infinity));

export const PRIORITIES: AlarmPriority[] = ["high", "medium", "low"];

export const STATE_TEXT: Record<AlarmState, string> = {
  unacknowledged: "Unacknowledged",
  acknowledged: "Acknowledged",
  returned: "Returned, not acknowledged",
  shelved: "Shelved",
  suppressed: "Suppressed",
  out_of_service: "Out of service",
};

/** Whether an alarm still waits for someone to have seen it. */
export const unseen = (alarm: Alarm): boolean =>
  alarm.state === "unacknowledged" || alarm.state === "returned";

export function tabOf(alarm: Alarm): AlarmTab {
  const { state } = alarm;
  return state === "shelved" || state === "suppressed" || state === "out_of_service"
    ? state
    : "standing";
}

const STATE_RANK: Record<AlarmState, number> = {
  unacknowledged: 0, returned: 1, acknowledged: 2, shelved: 3, suppressed: 4, out_of_service: 5,
};

/** Unacknowledged first, then by priority, then the newest first. */
export const sortAlarms = (alarms: Alarm[]): Alarm[] =>
  alarms.toSorted(
    (a, b) =>
      STATE_RANK[a.state] - STATE_RANK[b.state] ||
      PRIORITIES.indexOf(a.priority) - PRIORITIES.indexOf(b.priority) ||
      b.since_h - a.since_h ||
      a.tag.localeCompare(b.tag),
  );

/** In a flood what the server collapses, else low priority, steps back behind one line. */
export function groupFlood(sorted: Alarm[], flood: boolean): { shown: Alarm[]; grouped: Alarm[] } {
  if (!flood) return { shown: sorted, grouped: [] };
  const back = (alarm: Alarm) => alarm.collapsed ?? alarm.priority === "low";
  return { shown: sorted.filter((alarm) => !back(alarm)), grouped: sorted.filter(back) };
}

export interface AlarmFigure {
  name: string;
  value: string;
  /** What the standard calls acceptable. */
  target: string;
  /** Whether the value lies outside it. */
  beyond: boolean;
  /** Names behind a count, such as the tags that chatter. */
  tags?: string[];
}

const above = (value: Value, limit: number): boolean => value !== null && value > limit;

/**
 * Figures of the alarm system against the targets for one operator's console: per 10 minutes 1 is
 * very likely acceptable and 2 the most that can be managed, per day 150 and 300; at most 10 in
 * any 10 minutes, under 1 % of the time in flood, no chattering, fewer than 5 stale (ISA-18.2-2016,
 * clause 16; IEC 62682:2014, clause 16).
 */
export function alarmFigures(figures: AlarmFigures): AlarmFigure[] {
  const { per_10_min, peak_10_min, per_day, flood_percent, chattering, stale } = figures;
  return [
    {
      name: "Average per 10 min, 24 h", value: fixed(per_10_min, 2),
      target: "target ≤ 1, most 2", beyond: above(per_10_min, 1),
    },
    {
      name: "Peak in 10 min", value: fixed(peak_10_min, 0),
      target: "target ≤ 10", beyond: above(peak_10_min, 10),
    },
    {
      name: "Per day", value: fixed(per_day, 0),
      target: "target ≤ 150, most 300", beyond: above(per_day, 150),
    },
    {
      name: "Time in flood", value: flood_percent === null ? NO_VALUE : `${fixed(flood_percent, 1)} %`,
      target: "target < 1 %", beyond: flood_percent !== null && flood_percent >= 1,
    },
    {
      name: "Chattering", value: String(chattering.length),
      target: "target 0", beyond: chattering.length > 0, tags: chattering,
    },
    {
      name: "Stale", value: String(stale.length),
      target: "target < 5", beyond: stale.length >= 5, tags: stale,
    },
  ];
}

/** Share of each priority among the annunciations, beside the standard's about 5, 15 and 80 %. */
export const PRIORITY_TARGET: Record<AlarmPriority, number> = { high: 5, medium: 15, low: 80 };

export function prioritySplit(
  figures: AlarmFigures,
): { priority: AlarmPriority; count: number; percent: Value }[] {
  const counts = PRIORITIES.map((priority) => figures.by_priority[priority] ?? 0);
  const total = counts.reduce((sum, count) => sum + count, 0);
  return PRIORITIES.map((priority, i) => ({
    priority,
    count: counts[i] ?? 0,
    percent: total > 0 ? (100 * (counts[i] ?? 0)) / total : null,
  }));
}
