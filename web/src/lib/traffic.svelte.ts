/** What the page measures of itself: how often it hears, how much, and how long drawing takes. */
import type { SolverInfo, Value } from "./messages";

const WINDOW_S = 10;
/** Ten minutes at one sample a second. */
const SAMPLES_KEPT = 600;

export interface TrafficFigures {
  messages_per_s: number;
  states_per_s: number;
  kB_per_s: number;
  /** Between two states: mean and longest of the last seconds. */
  interval_ms: Value;
  longest_interval_ms: Value;
  /** From a state's arrival until the page shows it: mean and longest of the last seconds. */
  draw_ms: Value;
  longest_draw_ms: Value;
}

interface Second {
  messages: number;
  characters: number;
  intervals: number[];
  draws: number[];
}

const emptySecond = (): Second => ({ messages: 0, characters: 0, intervals: [], draws: [] });
const mean = (values: number[]): Value =>
  values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
const longest = (values: number[]): Value => (values.length === 0 ? null : Math.max(...values));

export class Traffic {
  figures = $state.raw<TrafficFigures | null>(null);
  /** Solver times, one row a second, oldest first; null where the server sent none. */
  solver = $state.raw<(SolverInfo | null)[]>([]);

  #seconds: Second[] = [emptySecond()];
  #stateAt: number | null = null;
  #latest: SolverInfo | null = null;

  constructor() {
    setInterval(() => this.#sum(), 1000);
  }

  heard(text: string): void {
    const second = this.#seconds.at(-1)!;
    second.messages++;
    second.characters += text.length;
  }

  heardState(solver: SolverInfo | null): void {
    const now = performance.now();
    if (this.#stateAt !== null) this.#seconds.at(-1)!.intervals.push(now - this.#stateAt);
    this.#stateAt = now;
    this.#latest = solver;
  }

  drew(milliseconds: number): void {
    this.#seconds.at(-1)!.draws.push(milliseconds);
  }

  /** Time without a connection is no interval between states. */
  interrupted(): void {
    this.#stateAt = null;
    this.#latest = null;
  }

  #sum(): void {
    const intervals = this.#seconds.flatMap((second) => second.intervals);
    const draws = this.#seconds.flatMap((second) => second.draws);
    const total = (of: (second: Second) => number) =>
      this.#seconds.reduce((sum, second) => sum + of(second), 0) / this.#seconds.length;
    this.figures = {
      messages_per_s: total((second) => second.messages),
      states_per_s: total((second) => second.intervals.length),
      kB_per_s: total((second) => second.characters) / 1000,
      interval_ms: mean(intervals),
      longest_interval_ms: longest(intervals),
      draw_ms: mean(draws),
      longest_draw_ms: longest(draws),
    };
    this.solver = [...this.solver.slice(1 - SAMPLES_KEPT), this.#latest];
    this.#seconds = [...this.#seconds.slice(1 - WINDOW_S), emptySecond()];
  }
}
