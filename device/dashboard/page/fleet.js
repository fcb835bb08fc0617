// The view of many boards, for `device fleet --web`: one line each, unhealthy boards first.

import { byId, fillList, make, setNote, setText } from "./dom.js";
import { amount, clock, count, duration, list, number, object, text } from "./values.js";

const REFRESH_MS = 2000;
const TOKEN = "This page needs the token: open the address that the command printed.";
const REFUSALS = { 401: TOKEN, 403: TOKEN, 404: "There is no fleet here: `device fleet --web` shows one." };
const NO_ANSWER = "The server does not answer. This page tries again.";
const MAX_BOARDS = 1000; // rows of the table

let report = null;
let reportedS = 0;
let trouble = "";
let changed = () => {};

/** Ask for the boards as long as the view is shown. @param onChange called when there is something new. */
export function start(onChange) {
  changed = onChange;
  setInterval(refresh, REFRESH_MS);
  refresh();
}

async function refresh() {
  if (document.hidden || byId("fleet").hidden) return;
  try {
    const answer = await fetch("/api/fleet", { cache: "no-store" });
    if (answer.ok) {
      report = object(await answer.json());
      reportedS = Date.now() / 1000;
    }
    trouble = answer.ok ? "" : (REFUSALS[answer.status] ?? NO_ANSWER);
  } catch {
    trouble = NO_ANSWER;
  }
  changed();
}

/** The state of the connection, as `situation` of situation.js gives it for one device. */
export function situation() {
  if (trouble) {
    const since = report === null ? "" : ` What is shown is from ${clock(reportedS)}.`;
    return { key: "lost", word: "No answer", sentence: trouble + since, old: true };
  }
  if (report === null) return { key: "connecting", word: "Connecting", sentence: "", old: true };
  const broker = text(report.trouble);
  return {
    key: broker ? "broker" : "live",
    word: broker ? "No broker" : "Live",
    sentence: broker ?? "",
    old: Boolean(broker),
  };
}

/** Draw the view. */
export function render() {
  const known = object(report);
  const boards = list(known.boards).map(object);
  setText(byId("fleet-title"), report === null ? "Fleet" : headline(known, boards));
  setNote(byId("fleet-note"), report === null ? "" : noteOf(known, boards));
  fillList(byId("boards"), boards.slice(0, MAX_BOARDS), makeBoard, showBoard);
}

function headline(known, boards) {
  const [unhealthy, absent] = [number(known.unhealthy) ?? 0, number(known.absent) ?? 0];
  const parts = [count(boards.length, "board")];
  if (absent > 0) parts.push(`${absent} missing`);
  if (boards.length > 0) parts.push(unhealthy === 0 ? "all healthy" : `${unhealthy} unhealthy`);
  return parts.join(", ");
}

function noteOf(known, boards) {
  const parts = [`${number(known.online) ?? 0} online`];
  if (number(known.absent) > 0) parts.push(`${known.absent} of ${known.expected} sent no message`);
  if (boards.length > MAX_BOARDS) parts.push(`the first ${MAX_BOARDS} are shown`);
  return `${parts.join(", ")}; listened for ${duration(known.listened_s)}.`;
}

function makeBoard() {
  const cells = ["state", "reason", "", "number", "number", "number", "number", "number", "model"];
  return make("tr", "", Object.assign(make("th"), { scope: "row" }), ...cells.map((name) => make("td", name)));
}

function showBoard(row, board) {
  const [status, health] = [object(board.status), object(board.health)];
  const reasons = [...list(board.reasons), ...list(board.notes)].map(text).filter(Boolean).join("; ");
  row.dataset.healthy = String(board.healthy === true);
  const heard = number(board.heard_s_ago);
  const cells = [
    text(board.board),
    board.healthy === true ? "good" : "unhealthy",
    reasons,
    text(status.camera),
    amount(health.fps, 1),
    amount(health.p95_ms, 1),
    amount(health.temperature_c),
    amount(health.depth),
    heard === null ? null : `${duration(heard)} ago`,
    text(status.model),
  ];
  cells.forEach((cell, index) => setText(row.children[index], cell ?? "–"));
}
