/** The connection to the server, and everything it has told the page. */
import type {
  FromServer, Hello, PlantEvent, PlantState, Refusal, ToServer, Upset,
} from "./messages";
import { TrendMemory } from "./trend";

const EVENTS_KEPT = 400;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 8000;
/** A running plant reports several times a second, so this silence means trouble. */
const SILENCE_MS = 5000;
const NOTICE_MS = 12000;

export interface Notice {
  id: number;
  refusal: Refusal;
}

export class PlantLink {
  connection = $state<"connecting" | "open" | "lost">("connecting");
  silent = $state(false);
  /** What the server does before there is a plant to show. */
  starting = $state("");
  hello = $state.raw<Hello | null>(null);
  state = $state.raw<PlantState | null>(null);
  events = $state.raw<PlantEvent[]>([]);
  upsets = $state.raw<Upset[]>([]);
  notices = $state.raw<Notice[]>([]);
  /** Rises with every change of `trend`, which is too large to be watched itself. */
  trendVersion = $state(0);
  readonly trend = new TrendMemory();

  /** Whether the values on the page are current. */
  fresh = $derived(this.connection === "open" && !this.silent && this.state !== null);

  #address: string;
  #socket: WebSocket | null = null;
  #retryMs = FIRST_RETRY_MS;
  #retryTimer = 0;
  #heardAt = 0;
  #noticeCount = 0;

  constructor(address: string) {
    this.#address = address;
    this.#open();
    setInterval(() => {
      const due = this.connection === "open" && this.state?.run === "running";
      this.silent = due && performance.now() - this.#heardAt > SILENCE_MS;
    }, 1000);
    addEventListener("online", () => this.#retryNow());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.#retryNow();
    });
  }

  send(message: ToServer): void {
    if (this.#socket?.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify(message));
    } else {
      this.#notify({
        where: "connection",
        what: "The request was not sent: the page is not connected to the plant.",
        mend: "Wait until the header says connected, then try again.",
      });
    }
  }

  dismiss(id: number): void {
    this.notices = this.notices.filter((notice) => notice.id !== id);
  }

  #open(): void {
    this.#retryTimer = 0;
    const socket = new WebSocket(this.#address);
    this.#socket = socket;
    socket.onmessage = (event: MessageEvent<string>) => this.#hear(event.data);
    socket.onclose = () => {
      if (socket !== this.#socket) return;
      this.connection = "lost";
      // Spread out, so that many pages do not return to a restarted server at one instant.
      const wait = this.#retryMs * (0.75 + 0.5 * Math.random());
      this.#retryMs = Math.min(2 * this.#retryMs, LONGEST_RETRY_MS);
      this.#retryTimer = window.setTimeout(() => this.#open(), wait);
    };
  }

  #retryNow(): void {
    if (this.#retryTimer === 0) return;
    clearTimeout(this.#retryTimer);
    this.#open();
  }

  #hear(text: string): void {
    this.#heardAt = performance.now();
    this.silent = false;
    let message: FromServer;
    try {
      message = JSON.parse(text) as FromServer;
    } catch {
      this.#notify({
        where: "connection",
        what: "A message from the server was not valid JSON and was left out.",
        mend: "Send null, not NaN, where there is no value.",
      });
      return;
    }
    this.#take(message);
  }

  #take(message: FromServer): void {
    switch (message.type) {
      case "starting":
        this.connection = "open";
        this.#retryMs = FIRST_RETRY_MS;
        this.starting = message.text;
        // What an earlier run showed is no state of the one that begins.
        this.hello = null;
        this.state = null;
        break;
      case "hello":
        this.#reset(message);
        break;
      case "state":
        this.state = message;
        this.#remember(message.upsets);
        break;
      case "trend":
        this.trend.append(message.columns);
        this.trendVersion++;
        break;
      case "event":
        this.events = [message, ...this.events].slice(0, EVENTS_KEPT);
        break;
      case "error":
        this.#notify(message.error);
        break;
    }
  }

  #reset(hello: Hello): void {
    this.connection = "open";
    this.#retryMs = FIRST_RETRY_MS;
    this.starting = "";
    this.hello = hello;
    this.state = null;
    this.upsets = [];
    this.events = hello.events.toSorted((a, b) => b.t_h - a.t_h).slice(0, EVENTS_KEPT);
    this.trend.reset(hello.trend);
    this.trendVersion++;
  }

  /** Upsets stay shaded in the trends after the server has stopped listing them. */
  #remember(listed: Upset[]): void {
    const key = (upset: Upset) => `${upset.name}@${upset.from_h}`;
    const current = new Map(listed.map((upset) => [key(upset), upset]));
    const now = this.state?.t_h ?? 0;
    const past = this.upsets
      .filter((upset) => !current.has(key(upset)))
      .map((upset) => (upset.active ? { ...upset, active: false, to_h: now } : upset));
    this.upsets = [...past, ...listed];
  }

  #notify(refusal: Refusal): void {
    const id = ++this.#noticeCount;
    this.notices = [...this.notices.slice(-2), { id, refusal }];
    setTimeout(() => this.dismiss(id), NOTICE_MS);
  }
}
