// A plant's control system that raffinate did not write: an OPC UA server with tag names of its own,
// on node-opcua. It is a peer for the protocol, not a model of a plant: flows follow their setpoints
// with a first-order lag, the analyzer repeats one invented composition with noise.
//
// Environment: FOREIGN_USER and FOREIGN_PASSWORD (needed), FOREIGN_PORT (4855), FOREIGN_PKI (a
// folder for its certificates), FOREIGN_WATCHDOG_S (10), FOREIGN_SAMPLE_S (1). It prints one line,
// READY and some JSON, when it is ready and ends when its standard input closes.

import { createHash } from "node:crypto";
import {
  DataType,
  MessageSecurityMode,
  OPCUACertificateManager,
  OPCUAServer,
  SecurityPolicy,
  StatusCodes,
  Variant,
  VariantArrayType,
} from "node-opcua";

const user = process.env.FOREIGN_USER;
const password = process.env.FOREIGN_PASSWORD;
if (!user || !password) {
  console.error("Set FOREIGN_USER and FOREIGN_PASSWORD.");
  process.exit(2);
}
const watchdogSeconds = Number(process.env.FOREIGN_WATCHDOG_S ?? 10);
const sampleSeconds = Number(process.env.FOREIGN_SAMPLE_S ?? 1);
const tick = 0.1; // s
const lag = 0.5; // s, of every flow loop

const certificates = new OPCUACertificateManager({
  rootFolder: process.env.FOREIGN_PKI,
  // Any client may open a channel here; who it is, the password says.
  automaticallyAcceptUnknownCertificate: true,
});
await certificates.initialize();
const server = new OPCUAServer({
  port: Number(process.env.FOREIGN_PORT ?? 4855),
  host: "127.0.0.1",
  hostname: "127.0.0.1",
  serverCertificateManager: certificates,
  userCertificateManager: certificates,
  securityModes: [MessageSecurityMode.SignAndEncrypt],
  securityPolicies: [SecurityPolicy.Basic256Sha256],
  allowAnonymous: false,
  userManager: { isValidUser: (name, given) => name === user && given === password },
});
await server.initialize();

const space = server.engine.addressSpace;
const names = space.registerNamespace("urn:example:rare-earth-plant:dcs");

const inArea = (name) => names.addFolder(space.rootFolder.objects, { browseName: name });
const areas = { sys: inArea("SYSTEM"), flow: inArea("FLOW"), lab: inArea("QUALITY") };

function tag(area, name, dataType, value, check) {
  const valueRank = Array.isArray(value) ? 1 : -1;
  const variant = (held) =>
    new Variant({ dataType, value: held, arrayType: valueRank === 1 ? VariantArrayType.Array : undefined });
  const node = names.addVariable({
    componentOf: areas[area],
    nodeId: `s=${name}`,
    browseName: name,
    dataType,
    valueRank,
    accessLevel: check ? "CurrentRead | CurrentWrite" : "CurrentRead",
    userAccessLevel: check ? "CurrentRead | CurrentWrite" : "CurrentRead",
    minimumSamplingInterval: 100,
  });
  const held = {
    value,
    put(next, time) {
      held.value = next;
      node.setValueFromSource(variant(next), StatusCodes.Good, time);
    },
  };
  node.setValueFromSource(variant(value), StatusCodes.Good);
  if (check) {
    node.bindVariable(
      {
        get: () => variant(held.value),
        set: (given) => {
          const verdict = check(given.value);
          if (verdict === StatusCodes.Good) held.value = given.value;
          return verdict;
        },
      },
      true,
    );
  }
  return held;
}

const within = (low, high) => (value) =>
  Number.isFinite(value) && value >= low && value <= high ? StatusCodes.Good : StatusCodes.BadOutOfRange;
const noise = (relative) => 1 + relative * Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());

// Flow controllers. Nominal flows and limits are those of the default plant, rounded, in the unit of
// each transmitter: m³/h, L/min, m³/h.
const controllers = [
  ["FIC101", 14.0, 7.0, 22.5],
  ["FIC102", 19.5, 5.5, 36.0],
  ["FIC103", 1.7, 0.84, 2.7],
].map(([name, safe, low, high]) => ({
  safe,
  high,
  setpoint: tag("flow", `${name}.SP`, DataType.Double, safe, within(low, high)),
  measured: tag("flow", `${name}.PV`, DataType.Double, safe),
  output: tag("flow", `${name}.OP`, DataType.Double, (100 * safe) / high),
  flow: safe,
}));

// What a supervisor writes: a heartbeat, the number of its plan, and the seconds that it holds.
let heard = 0; // s of process.uptime() at the last heartbeat; 0: none came yet
let lapses = Infinity;
const beats = tag("sys", "SUP.BEATS", DataType.UInt32, 0);
tag("sys", "SUP.HEARTBEAT", DataType.UInt32, 0, () => {
  heard = process.uptime();
  beats.put(beats.value + 1);
  return StatusCodes.Good;
});
tag("sys", "SUP.PLANNO", DataType.UInt32, 0, () => StatusCodes.Good);
tag("sys", "SUP.PLANLIFE", DataType.Double, 0, (life) => {
  if (!(life >= 0 && life <= 86400)) return StatusCodes.BadOutOfRange;
  lapses = process.uptime() + life;
  return StatusCodes.Good;
});
const watchdog = tag("sys", "SUP.WATCHDOG", DataType.Boolean, false);
const mode = tag("sys", "SYS.MODE", DataType.String, "LOCAL");

tag("sys", "LSLL201.ACT", DataType.Boolean, false);
tag("sys", "XS305.RUN", DataType.Boolean, true);
const acidShort = tag("sys", "UC102.ACT", DataType.Boolean, false);

// Invented compositions, g/L of metal: Nd rises along the bank.
const stages = { AI05: 0.004, AI10: 0.012, AI18: 0.11, AI38: 0.74, AI46: 0.95, AI55: 0.992 };
const analyzer = Object.entries(stages).map(([name, neodymium]) => ({
  clean: { ND: 165 * neodymium, CE: 165 * (1 - neodymium) * 0.7, PR: 165 * (1 - neodymium) * 0.3 },
  values: Object.fromEntries(
    ["ND", "CE", "PR"].map((symbol) => [symbol, tag("lab", `${name}.${symbol}`, DataType.Double, 0)]),
  ),
  sampled: tag("lab", `${name}.SAMPLED`, DataType.DateTime, new Date()),
  count: tag("lab", `${name}.COUNT`, DataType.UInt32, 0),
  status: tag("lab", `${name}.STATUS`, DataType.String, "BLANK"),
}));
const laboratory = Object.entries({ CEPR: [120, 50, 0.09], ND: [0.05, 0.06, 200] }).map(
  ([product, clean]) => ({
    clean,
    values: tag("lab", `LIMS.${product}.REO`, DataType.Double, clean),
    sampled: tag("lab", `LIMS.${product}.SAMPLED`, DataType.DateTime, new Date()),
    reported: tag("lab", `LIMS.${product}.REPORTED`, DataType.DateTime, new Date()),
    count: tag("lab", `LIMS.${product}.COUNT`, DataType.UInt32, 0),
  }),
);

function moveFlows() {
  const now = process.uptime();
  const lost = heard > 0 && now - heard > watchdogSeconds;
  const safe = lost || now > lapses;
  if (watchdog.value !== lost) watchdog.put(lost);
  const wanted = heard === 0 ? "LOCAL" : safe ? "SAFE" : "REMOTE";
  if (mode.value !== wanted) mode.put(wanted);
  for (const loop of controllers) {
    // A supervisor that comes back finds the setpoints the plant really had.
    if (safe) loop.setpoint.value = loop.safe;
    loop.flow += (loop.setpoint.value - loop.flow) * (1 - Math.exp(-tick / lag));
    loop.measured.put(loop.flow * noise(0.001));
    loop.output.put((100 * loop.flow) / loop.high);
  }
  const [, scrub, acid] = controllers; // scrub is in L/min, acid in m³/h
  const short = scrub.flow * 0.06 > acid.flow;
  if (acidShort.value !== short) acidShort.put(short);
}

let turn = 0;
function sample() {
  const here = analyzer[turn % analyzer.length];
  const time = new Date();
  for (const [symbol, value] of Object.entries(here.values)) value.put(here.clean[symbol] * noise(0.005), time);
  here.status.put("OK", time);
  here.sampled.put(time, time);
  here.count.put(here.count.value + 1, time);
  turn += 1;
  if (turn % analyzer.length === 0) {
    for (const result of laboratory) {
      result.values.put(result.clean.map((value) => value * noise(0.02)), time);
      result.sampled.put(new Date(time - 1000), time);
      result.reported.put(time, time);
      result.count.put(result.count.value + 1, time);
    }
  }
}

await server.start();
const timers = [setInterval(moveFlows, tick * 1000), setInterval(sample, sampleSeconds * 1000)];
const fingerprint = createHash("sha256").update(server.getCertificate()).digest("hex");
// node-opcua writes its own remarks to the same stream.
console.log(`READY ${JSON.stringify({ endpoint: server.getEndpointUrl(), fingerprint })}`);

async function stop() {
  timers.forEach(clearInterval);
  await server.shutdown(0);
  process.exit(0);
}
process.stdin.on("end", stop).on("close", stop).resume();
process.on("SIGTERM", stop);
