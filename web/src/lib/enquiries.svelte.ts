/** Questions that the server answers once: replay, history and what-if. */
import type {
  Columns, HistoryAnswer, Refusal, ReplayFrame, ToServer, WhatIfAnswer,
} from "./messages";
import type { AnalyzerState, Spectrum, SpectrumAnswer } from "./spectrum";

const ANSWER_MS = 15000;

interface Waiting {
  resolve: (columns: Columns) => void;
  reject: (reason: Error) => void;
  timer: number;
}

/** A run on a copy of the plant, as far as it has got. */
export interface WhatIf {
  id: number;
  levers: Record<string, number>;
  hours: number;
  /** Plant time the copy was taken at [h]. */
  from_h: number;
  state: "running" | "done" | "cancelled" | "failed";
  progress: number;
  answer: WhatIfAnswer | null;
  text: string;
}

export abstract class Enquiries {
  /** The past that is shown in place of the present; null while the page is live. */
  frame = $state.raw<ReplayFrame | null>(null);
  /** Plant time that was asked for last [h]; null while the page is live. */
  replayAt = $state<number | null>(null);
  whatIf = $state.raw<WhatIf | null>(null);
  /** The analyzer's last spectrum; null where there is none. */
  spectrum = $state.raw<Spectrum | null>(null);
  /** Its checks and what it looks at next; null before the server has told. */
  analyzer = $state.raw<AnalyzerState | null>(null);

  #asked: number | null = null;
  #askedTimer = 0;
  #waiting = new Map<number, Waiting>();
  #count = 0;

  abstract send(message: ToServer): boolean;

  /** Show the plant as it was at `t_h`, or live again with null. */
  replay(t_h: number | null): void {
    this.replayAt = t_h;
    if (t_h === null) {
      this.frame = null;
      return;
    }
    // One question at a time: a slider asks faster than a historian answers.
    if (this.#asked === null) this.#ask(t_h);
  }

  /** Columns of the historian, each no longer than `points`. */
  history(tags: string[], from_h: number, to_h: number, points: number): Promise<Columns> {
    const id = ++this.#count;
    return new Promise((resolve, reject) => {
      if (!this.send({ type: "history", id, tags, from_h, to_h, points })) {
        reject(new Error("The page is not connected to the plant."));
        return;
      }
      const timer = window.setTimeout(() => this.#refuse(id, "The historian does not answer."), ANSWER_MS);
      this.#waiting.set(id, { resolve, reject, timer });
    });
  }

  /** Begin a run on a copy with these setpoints, in each lever's unit. */
  startWhatIf(levers: Record<string, number>, hours: number, from_h: number): void {
    const id = ++this.#count;
    if (!this.send({ type: "what_if", id, levers, hours })) return;
    const begun = { id, levers, hours, from_h, answer: null, progress: 0, text: "" };
    this.whatIf = { ...begun, state: "running" };
  }

  askSpectrum(): void {
    this.send({ type: "spectrum", sample_time: this.spectrum?.sample_time ?? null });
  }

  cancelWhatIf(): void {
    if (this.whatIf?.state !== "running") return;
    this.send({ type: "what_if_cancel" });
    this.whatIf = { ...this.whatIf, state: "cancelled" };
  }

  clearWhatIf(): void {
    this.cancelWhatIf();
    this.whatIf = null;
  }

  protected takeFrame(frame: ReplayFrame): void {
    const asked = this.#asked;
    this.#answered();
    if (this.replayAt === null) return;
    this.frame = frame;
    if (this.replayAt !== asked) this.#ask(this.replayAt);
  }

  protected takeHistory(answer: HistoryAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    if (!waiting) return;
    this.#waiting.delete(answer.id);
    clearTimeout(waiting.timer);
    waiting.resolve(answer.columns);
  }

  protected takeWhatIf(answer: WhatIfAnswer): void {
    if (this.whatIf?.id !== answer.id || this.whatIf.state !== "running") return;
    const { progress, text } = answer;
    const failed = answer.done && answer.products === null;
    const state = !answer.done ? "running" : failed ? "failed" : "done";
    this.whatIf = { ...this.whatIf, answer, progress, text, state };
  }

  protected takeSpectrum(answer: SpectrumAnswer): void {
    if (!answer.same) this.spectrum = answer.spectrum;
    this.analyzer = answer.analyzer ?? null;
  }

  /** A refusal ends whatever waits for an answer of its kind. */
  protected takeRefusal(refusal: Refusal): void {
    if (refusal.where === "replay") this.#answered();
    if (refusal.where === "history") this.#refuseAll(refusal.what);
    if (refusal.where === "what_if" && this.whatIf?.state === "running") {
      this.whatIf = { ...this.whatIf, state: "failed", text: refusal.what };
    }
  }

  /** Nothing that was asked over a lost connection will be answered. */
  protected abandon(): void {
    this.spectrum = null;
    this.analyzer = null;
    this.#answered();
    this.replay(null);
    this.#refuseAll("The connection to the plant was lost.");
    if (this.whatIf?.state === "running") {
      this.whatIf = { ...this.whatIf, state: "failed", text: "The connection to the plant was lost." };
    }
  }

  #ask(t_h: number): void {
    this.#asked = t_h;
    this.#askedTimer = window.setTimeout(() => this.#answered(), ANSWER_MS);
    if (!this.send({ type: "replay", t_h })) this.#answered();
  }

  #answered(): void {
    clearTimeout(this.#askedTimer);
    this.#asked = null;
  }

  #refuseAll(text: string): void {
    for (const id of this.#waiting.keys()) this.#refuse(id, text);
  }

  #refuse(id: number, text: string): void {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    waiting.reject(new Error(text));
  }
}
