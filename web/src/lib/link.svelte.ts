/** The connection to the server, and everything it has told the page. */
import { tick } from "svelte";
import { Enquiries } from "./enquiries.svelte";
import {
  HELLO_DEFAULTS, STATE_DEFAULTS, type FromServer, type Hello, type PlantEvent, type PlantState,
  type Refusal, type Right, type Session, type ToServer, type Upset,
} from "./messages";
import { Traffic } from "./traffic.svelte";
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

export class PlantLink extends Enquiries {
  connection = $state<"connecting" | "open" | "lost">("connecting");
  silent = $state(false);
  /** What the server does before there is a plant to show. */
  starting = $state("");
  /** The server wants a name and a password before it shows anything. */
  loginRequired = $state(false);
  loginError = $state("");
  hello = $state.raw<Hello | null>(null);
  state = $state.raw<PlantState | null>(null);
  events = $state.raw<PlantEvent[]>([]);
  upsets = $state.raw<Upset[]>([]);
  notices = $state.raw<Notice[]>([]);
  /** Rises with every change of `trend`, which is too large to be watched itself. */
  trendVersion = $state(0);
  readonly trend = new TrendMemory();
  readonly traffic = new Traffic();

  /** Whether the values on the page are current. */
  fresh = $derived(this.connection === "open" && !this.silent && this.state !== null);
  session: Session | null = $derived(this.hello?.session ?? null);

  #address: string;
  #socket: WebSocket | null = null;
  #retryMs = FIRST_RETRY_MS;
  #retryTimer = 0;
  #heardAt = 0;
  #noticeCount = 0;

  constructor(address: string) {
    super();
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

  /** Send a request, or say why not; returns whether it was sent. */
  send(message: ToServer): boolean {
    if (this.#socket?.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify(message));
      return true;
    }
    this.notify({
      where: "connection",
      what: "The request was not sent: the page is not connected to the plant.",
      mend: "Wait until the header says connected, then try again.",
    });
    return false;
  }

  /** Whether this visitor may ask for something; the server decides again. */
  can(right: Right): boolean {
    return this.session?.can.includes(right) ?? false;
  }

  /** Log in and connect again; returns whether the server let the visitor in. */
  async login(user: string, password: string): Promise<boolean> {
    this.loginError = "";
    const body = JSON.stringify({ user, password });
    const headers = { "Content-Type": "application/json" };
    try {
      const answer = await fetch("./login", { method: "POST", headers, body });
      if (answer.ok) {
        this.loginRequired = false;
        this.#reopen();
        return true;
      }
      const said = (await answer.json().catch(() => null)) as { error?: Refusal } | null;
      this.loginError = said?.error?.what ?? `The server refused the log-in (${answer.status}).`;
    } catch {
      this.loginError = "The plant's server does not answer.";
    }
    return false;
  }

  async logout(): Promise<void> {
    try {
      await fetch("./logout", { method: "POST" });
      this.#reopen();
    } catch {
      this.notify({
        where: "connection",
        what: "You are still logged in: the plant's server does not answer.",
        mend: "Try again when the header says connected.",
      });
    }
  }

  dismiss(id: number): void {
    this.notices = this.notices.filter((notice) => notice.id !== id);
  }

  notify(refusal: Refusal): void {
    const id = ++this.#noticeCount;
    this.notices = [...this.notices.slice(-2), { id, refusal }];
    setTimeout(() => this.dismiss(id), NOTICE_MS);
  }

  #open(): void {
    this.#retryTimer = 0;
    const socket = new WebSocket(this.#address);
    this.#socket = socket;
    socket.onmessage = (event: MessageEvent<string>) => {
      if (socket === this.#socket) this.#hear(event.data);
    };
    socket.onclose = () => {
      if (socket !== this.#socket) return;
      this.abandon();
      this.traffic.interrupted();
      // The log-in form says what is needed; trying again without it would be refused again.
      if (this.loginRequired) return;
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

  /** Connect as whoever the browser's cookie now says. */
  #reopen(): void {
    clearTimeout(this.#retryTimer);
    const before = this.#socket;
    this.#forget();
    this.connection = "connecting";
    this.#open();
    before?.close();
  }

  #hear(text: string): void {
    this.#heardAt = performance.now();
    this.silent = false;
    this.traffic.heard(text);
    let message: FromServer;
    try {
      message = JSON.parse(text) as FromServer;
    } catch {
      this.notify({
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
        this.#forget();
        break;
      case "login":
        this.connection = "connecting";
        this.#retryMs = FIRST_RETRY_MS;
        this.loginRequired = message.required;
        this.loginError = message.error ?? "";
        this.#forget();
        break;
      case "hello":
        this.#reset(message);
        break;
      case "state":
        this.#show(message);
        break;
      case "frame":
        this.takeFrame(message);
        break;
      case "history":
        this.takeHistory(message);
        break;
      case "what_if":
        this.takeWhatIf(message);
        break;
      case "spectrum":
        this.takeSpectrum(message);
        break;
      case "trend":
        this.trend.append(message.columns);
        this.trendVersion++;
        break;
      case "event":
        this.events = [message, ...this.events].slice(0, EVENTS_KEPT);
        break;
      case "error":
        this.takeRefusal(message.error);
        this.notify(message.error);
        break;
    }
  }

  /** A page that fell behind is greeted again on the same connection: its questions still stand. */
  #reset(hello: Hello): void {
    this.state = null;
    this.upsets = [];
    this.connection = "open";
    this.#retryMs = FIRST_RETRY_MS;
    this.starting = "";
    this.loginRequired = false;
    this.hello = { ...HELLO_DEFAULTS, ...hello };
    this.events = hello.events.toSorted((a, b) => b.t_h - a.t_h).slice(0, EVENTS_KEPT);
    this.trend.reset(hello.trend);
    this.trendVersion++;
  }

  #forget(): void {
    this.abandon();
    this.hello = null;
    this.state = null;
    this.upsets = [];
    this.events = [];
  }

  #show(state: PlantState): void {
    const begun = performance.now();
    this.state = { ...STATE_DEFAULTS, ...state };
    this.#remember(state.upsets);
    this.traffic.heardState(this.state.solver);
    void tick().then(() => this.traffic.drew(performance.now() - begun));
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
}
