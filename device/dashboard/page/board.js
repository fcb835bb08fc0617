// The view of the device itself: camera, health, stage times, outbox, model, broker, self-test.

import { byId, fillFacts, fillList, make, setNote, setShare, setText } from "./dom.js";
import { age } from "./situation.js";
import { amount, clock, count, duration, list, number, object, text } from "./values.js";

const FIRST = ["capture", "detect", "track", "check", "landmarks", "classify", "smooth", "publish", "total"];
const MAX_CHECKS = 12;

/** Draw the view. */
export function render({ snapshot, nowS }) {
  const [status, health] = [object(snapshot.status), object(snapshot.health)];
  renderCamera(status, health);
  renderHealth(health, nowS);
  renderStages(health, status.aggregate === true);
  renderOutbox(object(health.outbox), snapshot.health !== null);
  renderSoftware(snapshot, status, health);
  renderSelftest(object(snapshot.selftest));
}

const join = (...parts) =>
  parts.filter((part) => part !== null && part !== undefined && part !== "").join(", ") || null;
const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1);

function renderCamera(status, health) {
  const state = text(status.camera);
  const mode = object(status.camera_mode);
  setText(byId("camera-word"), state === null ? "–" : capital(state));
  byId("camera-word").dataset.state = { running: "good", starting: "", null: "" }[state] ?? "bad";
  setNote(byId("camera-note"), text(status.camera_error) ?? text(status.camera_warning));
  const size = number(mode.width) === null ? null : `${mode.width} × ${mode.height}`;
  fillFacts(byId("camera"), [
    ["Source", text(mode.source)],
    ["Mode", join(size, text(mode.pixel_format))],
    ["Delivers", amount(health.camera_fps, 1, "frames/s")],
    ["Last frame", number(health.last_frame_age_s) === null ? null : clock(health.ts - health.last_frame_age_s)],
    ["Opened again", number(health.camera_reopenings) > 0 ? count(health.camera_reopenings, "time") : null],
  ]);
}

function renderHealth(health, nowS) {
  const throttling = object(health.throttling);
  fillFacts(byId("health"), [
    ["Frames", amount(health.fps, 1, "/s")],
    ["Skipped", amount(health.skipped)],
    ["Processor", amount(health.temperature_c, 0, "°C")],
    ["Memory", amount(health.memory_mb, 0, "MB")],
    ["Running for", duration(health.uptime_s)],
    ["Faces read", amount(object(health.face_reads).rate_hz, 1, "/s")],
  ]);
  const [now, before] = [words(throttling.now), words(throttling.since_boot)];
  const slowed = now ? `Slowed down: ${now}. ` : before ? `Was slowed down since boot: ${before}. ` : "";
  const asOf =
    age(health.ts, nowS) === null ? "No health message yet; one comes every 30 s." : `As of ${clock(health.ts)}.`;
  setNote(byId("health-note"), slowed + asOf);
}

const words = (value) => list(value).map(text).filter(Boolean).join(", ");

function renderStages(health, aggregate) {
  const stages = Object.entries(object(health.stages)).filter(([, stage]) => number(object(stage).p50_ms) !== null);
  const rank = ([name]) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length - 1.5);
  stages.sort((a, b) => rank(a) - rank(b));
  const longest = Math.max(1e-3, ...stages.map(([, stage]) => number(stage.p95_ms) ?? 0));
  fillList(byId("stages"), stages.slice(0, 12), makeStage, (row, [name, stage]) => {
    row.dataset.stage = name;
    setText(row.children[0], name);
    setShare(row.children[1].firstElementChild.firstElementChild, stage.p50_ms / longest);
    setText(row.children[2], amount(stage.p50_ms, 1, "ms") ?? "–");
    setText(row.children[3], amount(stage.p95_ms, 1, "ms") ?? "–");
  });
  const none = aggregate
    ? "Left out: they would tell whether somebody is in view."
    : "They come with the first health message.";
  setNote(byId("stages-note"), stages.length > 0 ? "" : none);
}

function makeStage() {
  const bar = make("td", "length", make("span", "trough", make("span")));
  bar.setAttribute("aria-hidden", "true");
  return make("tr", "", Object.assign(make("th"), { scope: "row" }), bar, make("td", "number"), make("td", "number"));
}

function renderOutbox(outbox, known) {
  const depth = number(outbox.depth);
  setText(
    byId("outbox-word"),
    depth === null ? "–" : depth === 0 ? "Nothing waits" : `${count(depth, "event")} waiting`,
  );
  byId("outbox-word").dataset.state = depth === null || !known ? "" : text(outbox.trouble) ? "bad" : "good";
  fillFacts(byId("outbox"), [
    ["Oldest", duration(outbox.oldest_age_s)],
    ["Dropped", amount(outbox.dropped)],
    ["In memory only", number(outbox.held) > 0 ? amount(outbox.held) : null],
    ["On disk", amount(number(outbox.bytes) === null ? null : outbox.bytes / 1000, 0, "kB")],
  ]);
  setNote(byId("outbox-note"), text(outbox.trouble));
}

function renderSoftware(snapshot, status, health) {
  const [model, broker, update] = [object(status.model), object(snapshot.broker), object(status.model_update)];
  fillFacts(byId("software"), [
    ["Model", text(model.name)],
    ["Version", text(model.version)],
    ["Digest", text(model.digest)?.slice(0, 8)],
    ["Last update", text(update.state)?.replace("_", " ")],
    ["emotion-edge", text(status.version)],
    ["Purpose", text(status.purpose)],
    ["Broker", broker.connected === true ? "connected" : broker.connected === false ? "not reached" : "–"],
    ["Reconnects", amount(health.reconnects)],
    ["Messages not valid", number(snapshot.skipped) > 0 ? amount(snapshot.skipped) : null],
  ]);
  setNote(byId("software-note"), text(status.config_error) ?? text(update.reason) ?? text(broker.error));
}

/** The report of a self-test, which may be the answer to the command `selftest`. */
function renderSelftest(selftest) {
  const report = "data" in selftest ? object(selftest.data) : selftest;
  const rank = (check) => (check.skipped === true ? 2 : check.ok === true ? 1 : 0); // failed ones first
  const checks = list(report.checks)
    .map(object)
    .sort((a, b) => rank(a) - rank(b));
  const word =
    report.ok === true ? "Passed" : report.ok === false ? "Failed" : selftest.error ? "Not run" : "Not run yet";
  setText(byId("selftest-word"), word);
  byId("selftest-word").dataset.state = { true: "good", false: "bad" }[report.ok] ?? "";
  fillList(byId("selftest"), checks.slice(0, MAX_CHECKS), makeCheck, (item, check) => {
    const state = check.skipped === true ? "skipped" : check.ok === true ? "passed" : "failed";
    item.dataset.state = state;
    setText(item.children[0], state);
    setText(item.children[1], text(check.name) ?? "–");
    setText(item.children[2], text(check.detail) ?? "");
  });
  const how = "Run `device selftest` on the device, or send cmd/request/selftest over MQTT.";
  setNote(byId("selftest-note"), text(selftest.error) ?? (checks.length > 0 ? "" : how));
}

const makeCheck = () => make("li", "", make("span", "state"), make("span", "name"), make("span", "detail"));
