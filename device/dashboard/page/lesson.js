// The chart of the room over time: asks for the history, and offers it as a chart, a table and a CSV file.

import { drawChart } from "./chart.js";
import { byId, fillList, make, setNote, setText } from "./dom.js";
import { meanRows, QUIET_WORDS, quietMoments } from "./quiet.js";
import { clock, count, duration, list, number, object, percent, text } from "./values.js";

const POINTS = 180; // rows that a chart asks for
const TABLE_ROWS = 30;
const MIN_REFRESH_S = 4;
const MIN_SPAN_S = 120; // of a chart that has just begun

let rangeS = 900;
let asTable = false;
let history = { rows: [], stepS: 5, fromS: 0, toS: 0, trouble: "" };
let askedMs = -Infinity;
let changed = () => {};

/** Prepare the controls. @param onChange called when new rows are there. */
export function start(onChange) {
  changed = onChange;
  for (const choice of document.querySelectorAll("input[name=range]")) {
    if (choice.checked) rangeS = Number(choice.value); // a browser keeps the choice when the page is loaded again
    choice.addEventListener("change", () => {
      rangeS = Number(choice.value);
      askedMs = -Infinity;
      changed();
    });
  }
  byId("as-table").addEventListener("click", () => {
    asTable = !asTable;
    byId("as-table").setAttribute("aria-pressed", String(asTable));
    changed();
  });
  byId("csv").addEventListener("click", () => setExport(history.toS || Date.now() / 1000));
  new ResizeObserver(changed).observe(byId("chart"));
}

/** Draw the chart; ask for newer rows when the last are older than one step. */
export function render(snapshot, nowS) {
  if (nowS !== null && !isOff(snapshot)) refresh(nowS);
  const { rows, toS, stepS } = history;
  // A history that has just begun fills the chart; it grows to the whole range.
  const fromS = Math.max(history.fromS, Math.min(rows[0]?.t ?? history.fromS, toS - MIN_SPAN_S));
  const quiet = quietMoments(rows, stepS, toS);
  setText(byId("lesson-title"), { 900: "The last 15 minutes", 3600: "The last hour", 86400: "The last day" }[rangeS]);
  byId("chart").hidden = asTable;
  byId("chart-table").hidden = !asTable;
  if (asTable) drawTable(rows, stepS);
  else drawChart(byId("chart"), { rows, fromS, toS, stepS, quiet });
  const off = isOff(snapshot);
  const error = text(snapshot.history_error);
  const words = history.trouble || [inWords(rows, quiet), error].filter(Boolean).join(" ");
  setNote(byId("chart-note"), off ? "The history is off in the settings (device.dashboard.history_h: 0)." : words);
  byId("csv").hidden = off;
}

const isOff = (snapshot) => number(snapshot.history_h) === 0;

async function refresh(nowS) {
  const stepS = Math.max(1, Math.round(rangeS / POINTS));
  const waitMs = Math.max(MIN_REFRESH_S, stepS) * 1000;
  if (performance.now() - askedMs < waitMs) return;
  askedMs = performance.now();
  const range = rangeS;
  setExport(nowS);
  const query = new URLSearchParams({ from: (nowS - range).toFixed(3), to: nowS.toFixed(3), step: stepS });
  let trouble = "";
  let answer = {};
  try {
    const response = await fetch(`/api/history?${query}`, { cache: "no-store" });
    if (response.ok) answer = object(await response.json());
    else trouble = "The history cannot be read now.";
  } catch {
    trouble = "The history cannot be read now.";
  }
  if (range !== rangeS) return; // another range was chosen meanwhile
  if (trouble) history.trouble = trouble;
  else
    history = {
      rows: readRows(answer.rows),
      stepS: number(answer.step_s) || stepS,
      fromS: nowS - range,
      toS: nowS,
      trouble,
    };
  changed();
}

const readRows = (rows) =>
  list(rows)
    .filter((row) => number(object(row).t) !== null)
    .sort((a, b) => a.t - b.t);

function setExport(nowS) {
  const query = new URLSearchParams({ from: (nowS - rangeS).toFixed(3), to: nowS.toFixed(3) });
  byId("csv").href = `/api/history.csv?${query}`;
}

/** The chart in one sentence. */
function inWords(rows, quiet) {
  if (rows.length === 0) return "Nothing recorded in this time yet.";
  const mean = meanRows(rows);
  const parts = [`On average ${count(Math.round(mean.faces * 10) / 10, "face")}`];
  if (mean.positive !== null) parts.push(`${percent(mean.positive)} positive`);
  if (mean.facing !== null) parts.push(`${percent(mean.facing)} facing the front`);
  const longest = [...quiet].sort((a, b) => b.toS - b.fromS - (a.toS - a.fromS))[0];
  const moments =
    quiet.length === 0
      ? "No quiet moments."
      : `${count(quiet.length, "quiet moment")}; the longest ${where(longest)}.`;
  return `${parts.join(", ")}. ${moments}`;
}

const where = ({ kind, fromS, toS }) => `from ${clock(fromS, false)}, ${duration(toS - fromS)}, ${QUIET_WORDS[kind]}`;

const HEADS = ["time", "faces", "positive", "neutral", "negative", "facing"];

function drawTable(rows, stepS) {
  const region = byId("chart-table");
  if (region.firstElementChild === null) {
    const heads = HEADS.map((name) => Object.assign(make("th", "", name), { scope: "col" }));
    region.append(make("table", "", make("thead", "", make("tr", "", ...heads)), make("tbody")));
  }
  const perLine = Math.max(1, Math.ceil(rows.length / TABLE_ROWS));
  const lines = [];
  for (let end = rows.length; end > 0; end -= perLine) lines.push(rows.slice(Math.max(0, end - perLine), end));
  fillList(region.querySelector("tbody"), lines, makeLine, (line, part) => {
    const mean = meanRows(part);
    const cells = [clock(part[0].t, stepS * perLine < 60), mean.faces.toFixed(1)];
    for (const key of ["positive", "neutral", "negative", "facing"]) cells.push(percent(mean[key]) ?? "–");
    cells.forEach((cell, index) => setText(line.children[index], cell ?? "–"));
  });
}

function makeLine() {
  const cells = HEADS.slice(1).map(() => make("td", "number"));
  return make("tr", "", Object.assign(make("th"), { scope: "row" }), ...cells);
}
