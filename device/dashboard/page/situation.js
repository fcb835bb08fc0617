// What can be said about the data at this moment: is it live, old, or missing, and why.

import { clock, duration, number, object, text } from "./values.js";

export const OLD_S = 10; // a summary of faces in view comes every second

const CAMERA = {
  starting: "The camera is starting.",
  stalled: "The camera delivers no frames.",
  frozen: "The camera delivers the same picture again and again.",
  failed: "The camera failed.",
  paused: "The camera is paused: nobody is measured.",
  ended: "The film has ended.",
  stopped: "The device was stopped.",
};

/**
 * The state of the connection in one word and one sentence.
 *
 * @param link "connecting", "live", "lost" or "refused".
 * @param snapshot the last snapshot of the server; null before the first.
 * @returns {{key: string, word: string, sentence: string, old: boolean}} `old`: what is shown is of the past.
 */
export function situation(link, snapshot) {
  if (link === "refused")
    return state("lost", "No access", "This page needs the token: open the address that the dashboard printed.");
  if (snapshot === null) {
    if (link === "connecting") return state("connecting", "Connecting", "");
    return state("lost", "No answer", "The dashboard does not answer. This page tries again.");
  }
  if (link === "lost") {
    const since = clock(snapshot.now);
    return state(
      "lost",
      "No answer",
      `The dashboard does not answer${since ? ` since ${since}` : ""}. This page tries again.`,
    );
  }
  return ofBroker(snapshot) ?? ofDevice(snapshot) ?? state("live", liveWord(snapshot), "", false);
}

const state = (key, word, sentence, old = true) => ({ key, word, sentence, old });

function ofBroker(snapshot) {
  const broker = object(snapshot.broker);
  if (broker.connected === true && !broker.error) return null;
  return state("broker", "No broker", text(broker.error) ?? "The dashboard connects to the broker.");
}

function ofDevice(snapshot) {
  const name = text(snapshot.device) ?? "the device";
  if (snapshot.availability === "offline") {
    return state("offline", "Device offline", `${name} is offline. What is shown is from before.`);
  }
  if (snapshot.availability !== "online" && !snapshot.status) {
    return state(
      "waiting",
      "No device",
      `No message from ${name} yet. Does \`device run\` run, with the same broker?`,
    );
  }
  const camera = text(object(snapshot.status).camera);
  if (camera === null || camera === "running") return null;
  const sentence = text(object(snapshot.status).camera_error) ?? CAMERA[camera] ?? `Camera: ${camera}.`;
  return state("camera", `Camera ${camera}`, sentence, camera !== "starting");
}

/** `Live`, or that the agent was started just now. */
function liveWord(snapshot) {
  const uptimeS = number(object(snapshot.health).uptime_s);
  const ageS = age(object(snapshot.health).ts, snapshot.now);
  if (uptimeS === null || ageS === null || uptimeS + ageS >= 60) return "Live";
  return `Live, started ${duration(uptimeS + ageS)} ago`;
}

/** Seconds since `ts`; never negative, as clocks may be set; null if it is not known. */
export function age(ts, now) {
  const [before, after] = [number(ts), number(now)];
  return before === null || after === null ? null : Math.max(0, after - before);
}
