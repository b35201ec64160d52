/** Numbers as people read them; every function takes null as "no value". */
import type { Value } from "./messages";

export const NO_VALUE = "–";

const SUPERSCRIPT: Record<string, string> = {
  "-": "⁻", "0": "⁰", "1": "¹", "2": "²", "3": "³", "4": "⁴",
  "5": "⁵", "6": "⁶", "7": "⁷", "8": "⁸", "9": "⁹",
};

/** A true minus sign is as wide as a digit, so columns do not jump. */
const sign = (text: string): string => text.replace("-", "−");

export function fixed(value: Value | undefined, decimals: number): string {
  return value == null || !Number.isFinite(value) ? NO_VALUE : sign(value.toFixed(decimals));
}

/** Three significant digits; plain for middling sizes, powers of ten for the rest. */
export function significant(value: Value | undefined, digits = 3): string {
  if (value == null || !Number.isFinite(value)) return NO_VALUE;
  if (value === 0) return "0";
  const power = Math.floor(Math.log10(Math.abs(value)));
  if (power >= -3 && power < 5) return sign(value.toFixed(Math.max(0, digits - 1 - power)));
  return `${sign((value / 10 ** power).toFixed(digits - 1))}·${powerOfTen(power)}`;
}

/** Always with its power of ten, so that a column of impurities can be compared at a glance. */
export function scientific(value: Value | undefined, digits = 2): string {
  if (value == null || !(value > 0)) return NO_VALUE;
  const [mantissa, power] = value.toExponential(digits - 1).split("e");
  return `${mantissa}·${powerOfTen(Number(power))}`;
}

export function powerOfTen(power: number): string {
  return "10" + [...String(power)].map((digit) => SUPERSCRIPT[digit]).join("");
}

/**
 * A purity in percent with two significant digits of the impurity, without the sign. It is cut, not
 * rounded: 99.8999 must not read 99.900 beside a limit of 99.9.
 */
export function purityPercent(purity: Value | undefined): string {
  if (purity == null || !Number.isFinite(purity)) return NO_VALUE;
  const impurityPercent = Math.max(100 * (1 - purity), 1e-6);
  const decimals = Math.min(6, Math.max(3, 1 - Math.floor(Math.log10(impurityPercent))));
  const size = 10 ** decimals;
  return (Math.floor(100 * purity * size + 1e-6) / size).toFixed(decimals);
}

/** A limit such as 0.999 in percent, without trailing zeros. */
export function limitPercent(limit: number): string {
  return String(Number((100 * limit).toFixed(6)));
}

/** Decades of impurity below the limit: positive inside the specification. */
export function marginDecades(purity: Value | undefined, limit: number): number | null {
  if (purity == null || !Number.isFinite(purity)) return null;
  return Math.log10((1 - limit) / Math.max(1 - purity, 1e-9));
}

export function signed(value: Value, decimals: number): string {
  if (value == null || !Number.isFinite(value)) return NO_VALUE;
  const text = Math.abs(value).toFixed(decimals);
  return (value < 0 && Number(text) !== 0 ? "−" : "+") + text;
}

/** A margin in decades; near the limit with the digits that show on which side it is. */
export function marginText(margin: Value): string {
  return signed(margin, margin != null && Math.abs(margin) < 0.01 ? 4 : 2);
}

/** Plant time as elapsed days and clock: "5 d 03:24". */
export function plantTime(hours: number): string {
  const minutes = Math.floor(hours * 60 + 1e-6);
  const clock = [Math.floor(minutes / 60) % 24, minutes % 60];
  return `${Math.floor(minutes / 1440)} d ${clock.map((n) => String(n).padStart(2, "0")).join(":")}`;
}

export function duration(hours: number): string {
  if (hours < 1) return `${Math.max(0, Math.round(hours * 60))} min`;
  return hours < 48 ? `${hours.toFixed(1)} h` : `${(hours / 24).toFixed(1)} d`;
}

/** Plant time that passes in one second of the clock on the wall. */
export function speedLabel(speed: number): string {
  if (speed === 0) return "Pause";
  if (speed >= 1e9) return "Max";
  if (speed < 60) return `${speed}×`;
  const steps: [number, string][] = [[86400, "d"], [3600, "h"], [60, "min"]];
  const [size, unit] = steps.find(([seconds]) => speed >= seconds) ?? [1, "s"];
  return `${Number((speed / size).toFixed(1))} ${unit}/s`;
}

export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** Formulae with lowered digits: "NH3" becomes "NH₃". */
export function formula(text: string): string {
  return text.replace(/(?<=[A-Za-z)])\d/g, (digit) => String.fromCharCode(0x2080 + Number(digit)));
}
