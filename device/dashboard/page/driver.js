// The view of a driver: one large sign, what is measured now, and the last alerts.

import { byId, fillFacts, fillList, make, makeSvg, setNote, setText } from "./dom.js";
import { driverOf, episodes, isMeasured, signFor } from "./sign.js";
import { amount, clock, duration, labelWord, number, object, percent, text } from "./values.js";

const STEADY_MS = 1500; // a sign is said to a screen reader when it has stood for so long
const MAX_ALERTS = 8;

// Shapes of the sign, so that it can be told without colours; 100 by 100, drawn with strokes.
const EYE = "M10 50Q50 14 90 50Q50 86 10 50Z";
const PICTURES = {
  attentive: [EYE, "M50 38a12 12 0 1 1 0 24a12 12 0 1 1 0-24Z"],
  road: ["M28 92L44 12M72 92L56 12", "M50 86V72M50 60V48M50 36V26"],
  closed: ["M10 46Q50 78 90 46", "M22 60L14 72M40 68L36 82M60 68L64 82M78 60L86 72"],
  drowsy: ["M50 10L94 88H6Z", "M50 38V62M50 74V76"],
  noface: ["M50 14a18 18 0 1 1 0 36a18 18 0 1 1 0-36Z", "M16 90Q16 60 50 60Q84 60 84 90"],
  unmeasured: ["M50 8a42 42 0 1 1 0 84a42 42 0 1 1 0-84Z", "M37 40Q37 27 50 27Q63 27 63 39Q63 48 50 54V62M50 73V75"],
  offline: ["M50 8a42 42 0 1 1 0 84a42 42 0 1 1 0-84Z", "M21 21L79 79"],
};
const KINDS = { eyes_closed: "Eyes closed", yawn: "Yawn", looking_away: "Looked away", drowsy: "Drowsy" };

let everMeasured = false;
let said = "";
let toSay = { words: "", timer: 0 };

/** Draw the view. */
export function render({ snapshot, situation, nowS }) {
  const driver = driverOf(snapshot);
  everMeasured ||= driver !== null && isMeasured(object(driver.attention));
  const sign = signFor(snapshot, situation, everMeasured);
  renderSign(sign);
  renderNow(situation.old ? null : driver);
  renderAlerts(episodes(snapshot.alerts), nowS, situation.old);
}

function renderSign({ key, text: words, note }) {
  const element = byId("sign");
  if (element.dataset.key !== key || byId("sign-picture").childElementCount === 0) {
    element.dataset.key = key;
    byId("sign-picture").replaceChildren(...PICTURES[key].map((d) => makeSvg("path", { d })));
  }
  setText(byId("sign-text"), words);
  setNote(byId("sign-note"), note);
  sayWhenSteady(words);
}

/** Announce a sign that stays; one that flickers is not read aloud each time. */
function sayWhenSteady(words) {
  if (words === toSay.words) return;
  clearTimeout(toSay.timer);
  const say = () => {
    if (said !== words) setText(byId("sign-said"), words);
    said = words;
  };
  toSay = { words, timer: setTimeout(say, STEADY_MS) };
}

function renderNow(driver) {
  const known = object(driver);
  const attention = object(known.attention);
  const emotion = text(known.emotion);
  fillFacts(byId("now"), [
    [
      "Expression",
      emotion === null ? "–" : [labelWord(emotion), percent(known.confidence)].filter(Boolean).join(", "),
    ],
    ["Facing the front", percent(attention.facing) ?? "–"],
    ["Eyes", eyesWord(attention)],
    ["PERCLOS, 1 min", percent(attention.perclos) ?? "–"],
    ["Blinks a minute", amount(attention.blinks_per_min) ?? "–"],
    ["Head", headWord(attention) ?? "–"],
  ]);
}

function eyesWord(attention) {
  if (attention.eyes_closed === true) return "closed";
  const open = percent(attention.eye_openness);
  return open === null ? "–" : `${open} open`;
}

/** The direction of the head in words; degrees are to the right of the picture and upwards. */
export function headWord(attention) {
  const [yaw, pitch] = [number(attention.yaw_deg), number(attention.pitch_deg)];
  if (yaw === null || pitch === null) return null;
  const aside = Math.abs(yaw) < 5 ? "" : `${Math.abs(yaw).toFixed(0)}° ${yaw > 0 ? "right" : "left"}`;
  const upright = Math.abs(pitch) < 5 ? "" : `${Math.abs(pitch).toFixed(0)}° ${pitch > 0 ? "up" : "down"}`;
  return [aside, upright].filter(Boolean).join(", ") || "straight";
}

function renderAlerts(found, nowS, old) {
  fillList(byId("alerts"), found.slice(0, MAX_ALERTS), makeAlert, (item, { kind, startS, durationS, open }) => {
    item.dataset.kind = kind;
    setText(item.children[0], clock(startS) ?? "–");
    setText(item.children[1], KINDS[kind] ?? kind);
    const stillOn = open && !old && nowS !== null;
    setText(item.children[2], stillOn ? "now" : (amount(durationS, durationS < 10 ? 1 : 0, "s") ?? ""));
    if (durationS >= 60) setText(item.children[2], duration(durationS));
  });
  const none = found.length === 0;
  byId("alerts").hidden = none;
  setNote(
    byId("alerts-note"),
    none ? "None yet. Closed eyes, yawns, looking away and drowsiness are listed here." : "",
  );
}

const makeAlert = () => make("li", "", make("time"), make("span", "kind"), make("span", "figure"));
