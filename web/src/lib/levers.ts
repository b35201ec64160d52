/** How a lever's numbers are written and where they stand on its scale. */
import { capital } from "./format";
import type { Alarm, LeverInfo, LeverState, Value } from "./messages";

/** Enough digits to show a thousandth of the nominal flow. */
export const leverDecimals = (lever: LeverInfo): number =>
  Math.max(0, 4 - Math.ceil(Math.log10(Math.abs(lever.nominal) || 1)));

export interface LeverScale {
  bottom: number;
  top: number;
  /** Height on the scale in percent, kept inside it. */
  percent: (value: number) => number;
}

/** The scale reaches past both limits, and to zero, where a stopped pump stands. */
export function leverScale(lever: LeverInfo): LeverScale {
  const bottom = Math.min(0, lever.low);
  const top = lever.high + 0.06 * (lever.high - bottom);
  const percent = (value: number) =>
    100 * Math.min(1, Math.max(0, (value - bottom) / (top - bottom)));
  return { bottom, top, percent };
}

/** Limits in force: the lever's own, or narrower ones of the moment. */
export function limitsOf(lever: LeverInfo, state: LeverState | null): { low: number; high: number } {
  return {
    low: Math.max(lever.low, state?.low ?? lever.low),
    high: Math.min(lever.high, state?.high ?? lever.high),
  };
}

/** Hours the rate limit leaves between the setpoint in force and what was asked for. */
export function hoursToGo(lever: LeverInfo, state: LeverState | null): Value {
  if (state?.requested == null || state.setpoint == null || !lever.rate) return null;
  const away = Math.abs(state.requested - state.setpoint);
  return away < 10 ** -leverDecimals(lever) ? 0 : away / lever.rate;
}

/** Alarms about a lever: their tags begin with, or hold, its name. */
export const alarmsOf = (lever: LeverInfo, alarms: Alarm[]): Alarm[] =>
  alarms.filter((alarm) => alarm.active && alarm.tag.split(/[./ ]/).includes(lever.name));

/** What a person types as a number: comma or point, any of the minus signs. */
export function parseEntry(text: string): number {
  const plain = text.trim().replace(",", ".").replace("−", "-");
  return plain === "" ? NaN : Number(plain);
}

const HOLDERS: Record<string, string> = { operator: "the operator", plc: "the PLC" };
export const holder = (heldBy: string): string => HOLDERS[heldBy] ?? capital(heldBy);
