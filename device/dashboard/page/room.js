// The view of a room: how many faces, their expressions and attention, and both over time.

import { byId, fillList, make, setNote, setShare, setText } from "./dom.js";
import * as lesson from "./lesson.js";
import { age, OLD_S } from "./situation.js";
import { clock, count, duration, labelWord, list, moodOf, number, object, percent, share, signOf } from "./values.js";

/** Prepare the chart. @param changed called when it should be drawn anew. */
export const start = (changed) => lesson.start(changed);

const NOT_MEASURED =
  "Not measured: faces are too far or turned, or attention is off (device.attention.enabled: true turns it on).";

let last = {}; // the last summary, for the time in which the device is away

/** Draw the view. */
export function render({ snapshot, situation, nowS }) {
  if (snapshot.summary) last = object(snapshot.summary);
  const summary = snapshot.summary || situation.old ? last : {};
  const seen = facesSeen(snapshot, situation, summary);
  renderFaces(seen, facesNote(seen, snapshot, situation, summary, nowS));
  renderMood(seen > 0 ? moodOf(summary) : {}, seen);
  renderExpressions(seen === null ? {} : object(summary.counts));
  renderAttention(seen > 0 ? summary.attention : null, seen);
  lesson.render(snapshot, nowS);
}

/** Faces in view; null if it is not known. */
function facesSeen(snapshot, situation, summary) {
  const status = object(snapshot.status);
  if (number(summary.faces) !== null) return status.below_min_group === true && !situation.old ? null : summary.faces;
  // An empty room is said once; later the tracks, which are retained, tell that nobody is there.
  return !situation.old && snapshot.availability === "online" && status.aggregate === false
    ? list(snapshot.tracks).length
    : null;
}

function renderFaces(seen, note) {
  setText(byId("faces"), seen === null ? "–" : String(seen));
  setNote(byId("faces-note"), note);
}

function facesNote(seen, snapshot, situation, summary, nowS) {
  const status = object(snapshot.status);
  const ageS = age(summary.ts, nowS);
  if (seen !== null && (situation.old || ageS > OLD_S))
    return ageS > OLD_S ? `As of ${clock(summary.ts)}, ${duration(ageS)} ago.` : "";
  if (situation.old) return "";
  if (status.below_min_group === true) return "Too few for a summary, or none: this device publishes groups only.";
  if (seen === null) return "No summary yet.";
  return status.aggregate === true ? "This device publishes groups only." : "";
}

/** One word for the mood of a group, from its valence. */
export function moodWord(valence) {
  const [positive, negative, neutral] = ["positive", "negative", "neutral"].map((sign) =>
    share(object(valence)[sign]),
  );
  if (positive === null || negative === null || neutral === null) return "–";
  if (positive >= 0.5) return "Mostly positive";
  if (negative >= 0.5) return "Mostly negative";
  if (neutral >= 0.5) return "Mostly neutral";
  return "Mixed";
}

function renderMood(shares, seen) {
  setText(byId("mood-word"), seen > 0 && share(shares.positive) === null ? "Not certain" : moodWord(shares));
  for (const segment of byId("mood-bar").children) setShare(segment, share(shares[segment.className]));
  fillLegend(
    byId("mood-shares"),
    ["positive", "neutral", "negative"].map((sign) => [sign, sign, percent(shares[sign])]),
  );
}

function renderAttention(attention, seen) {
  const known = object(attention);
  const facing = share(known.facing);
  setText(byId("attention-word"), facing === null ? "–" : `${percent(facing)} facing the front`);
  setShare(byId("attention-bar").firstElementChild, facing);
  fillLegend(byId("attention-shares"), [
    ["road", "looking away", percent(known.looking_away)],
    ["closed", "eyes closed", percent(known.eyes_closed)],
    ["yawn", "yawning", percent(known.yawning)],
  ]);
  const measured = number(known.measured);
  setText(byId("attention-measured"), measured === null ? "" : `of ${count(measured, "face")}`);
  setNote(byId("attention-note"), measured === null && seen > 0 ? NOT_MEASURED : "");
}

/** Marked names with their values; those without a value are left out. */
function fillLegend(legend, entries) {
  fillList(
    legend,
    entries.filter(([, , value]) => value !== null),
    () => make("li", "", make("span", "mark"), make("span"), make("strong")),
    (item, [mark, name, value]) => {
      item.dataset.mark = mark;
      setText(item.children[1], name);
      setText(item.children[2], value);
    },
  );
}

function renderExpressions(counts) {
  const known = Object.entries(counts).filter(([, faces]) => number(faces) !== null);
  const all = known.reduce((sum, [, faces]) => sum + faces, 0);
  fillList(byId("expressions"), known.slice(0, 12), makeBar, (bar, [label, faces]) => {
    bar.dataset.mark = signOf(label) ?? "unknown";
    setText(bar.children[0], labelWord(label));
    setShare(bar.children[1].firstElementChild, all > 0 ? faces / all : 0);
    setText(bar.children[2], String(faces));
  });
  setNote(byId("expressions-note"), known.length > 0 ? "" : "They show with the first summary.");
}

function makeBar() {
  const trough = make("span", "trough", make("span"));
  trough.setAttribute("aria-hidden", "true");
  return make("li", "", make("span", "name"), trough, make("span", "figure"));
}
