/** Bounded memory of the trends: columns of equal length over rising plant time. */
import type { Columns, Value } from "./messages";

/** Thirty days of ten-minute control periods, and a little more. */
const ROWS_KEPT = 4400;
/** Rows are dropped in batches, since each drop moves every column. */
const ROWS_SLACK = 400;

export class TrendMemory {
  #columns = new Map<string, Value[]>([["t_h", []]]);

  get time(): number[] {
    return this.column("t_h") as number[];
  }

  get rows(): number {
    return this.time.length;
  }

  get columns(): number {
    return this.#columns.size;
  }

  column(name: string): Value[] {
    return this.#columns.get(name) ?? [];
  }

  has(name: string): boolean {
    return this.#columns.has(name);
  }

  last(name: string): Value {
    return this.column(name).at(-1) ?? null;
  }

  reset(columns: Columns): void {
    this.#columns = new Map([["t_h", []]]);
    this.append(columns);
  }

  /** Add rows; those not later than the last one are passed over, as a resent batch would be. */
  append(columns: Columns): void {
    const times = columns["t_h"] ?? [];
    const before = this.rows;
    for (const name of Object.keys(columns)) {
      if (!this.#columns.has(name)) this.#columns.set(name, new Array<Value>(before).fill(null));
    }
    let latest = this.last("t_h") ?? -Infinity;
    for (let row = 0; row < times.length; row++) {
      const time = times[row];
      if (time == null || time <= latest) continue;
      latest = time;
      for (const [name, column] of this.#columns) column.push(columns[name]?.[row] ?? null);
    }
    if (this.rows > ROWS_KEPT + ROWS_SLACK) {
      const surplus = this.rows - ROWS_KEPT;
      for (const column of this.#columns.values()) column.splice(0, surplus);
    }
  }
}
