// Draws the chart of a room as an SVG: the mood as stacked shares, attention as a line, faces as a strip.

import { makeSvg } from "./dom.js";
import { QUIET_WORDS, stretches } from "./quiet.js";
import { clock, moodOf, number, object, percent, share } from "./values.js";

const LEFT = 44; // for the words of the axis, pixels
const RIGHT = 12;
const TOP = 10;
const LOW = 180; // height of a container that has room for a small strip only
const BOTTOM = 22; // for the times
const SIGNS = ["positive", "neutral", "negative"];
const TICKS_S = [60, 180, 300, 600, 900, 3600, 7200, 14400, 21600];

/**
 * Draw into a container, in its size.
 *
 * @param rows history rows in order of time; `quiet`: what `quietMoments` found in them.
 */
export function drawChart(container, { rows, fromS, toS, stepS, quiet }) {
  const { clientWidth: width, clientHeight: height } = container;
  if (width === 0 || height === 0 || toS <= fromS) return;
  const key = `${width} ${height} ${fromS} ${toS} ${rows.length}`;
  if (container.dataset.drawn === key) return;
  container.dataset.drawn = key;
  const plot = makePlot(width, height, fromS, toS);
  const maxFaces = Math.max(1, ...rows.map((row) => number(row.faces) ?? 0));
  const svg = makeSvg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img" });
  svg.setAttribute("aria-label", "Chart of mood, attention and faces over time. The button Table shows the figures.");
  svg.append(hatching(), grid(plot), times(plot, fromS, toS));
  for (const part of stretches(rows, stepS)) {
    svg.append(
      ...moodAreas(plot, part, stepS),
      attentionLine(plot, part, stepS),
      facesArea(plot, part, stepS, maxFaces),
    );
  }
  svg.append(stripScale(plot, maxFaces), ...quiet.map((moment) => quietBand(plot, moment)));
  addReadout(svg, plot, rows, stepS);
  container.replaceChildren(svg);
}

function makePlot(width, height, fromS, toS) {
  const right = width - RIGHT;
  const strip = height < LOW ? 18 : 34; // height of the strip of faces
  const stripBottom = height - BOTTOM;
  const bottom = stripBottom - strip - (height < LOW ? 10 : 18);
  const x = (t) => LEFT + ((right - LEFT) * (Math.min(toS, Math.max(fromS, t)) - fromS)) / (toS - fromS);
  const time = (px) => fromS + ((toS - fromS) * (px - LEFT)) / (right - LEFT);
  return { right, bottom, strip, stripBottom, height, x, time, y: (value) => bottom - (bottom - TOP) * value };
}

const line = (x1, y1, x2, y2, name) => makeSvg("line", { x1, y1, x2, y2, class: name });
const label = (x, y, anchor, words, name = "axis") =>
  makeSvg("text", { x, y, "text-anchor": anchor, class: name }, words);

function grid(plot) {
  const group = makeSvg("g");
  for (const value of [0, 0.5, 1]) {
    const y = plot.y(value);
    group.append(line(LEFT, y, plot.right, y, "grid"), label(LEFT - 8, y + 4, "end", `${value * 100} %`));
  }
  return group;
}

function stripScale(plot, maxFaces) {
  const group = makeSvg("g", {}, line(LEFT, plot.stripBottom, plot.right, plot.stripBottom, "grid"));
  group.append(label(LEFT - 8, plot.stripBottom - plot.strip + 9, "end", String(Math.ceil(maxFaces))));
  group.append(label(LEFT - 8, plot.stripBottom + 3, "end", "0"));
  return group;
}

function times(plot, fromS, toS) {
  const group = makeSvg("g");
  const most = Math.max(2, Math.floor((plot.right - LEFT) / 90));
  const stepS = TICKS_S.find((tick) => (toS - fromS) / tick <= most) ?? TICKS_S.at(-1);
  const offsetS = new Date(fromS * 1000).getTimezoneOffset() * 60; // ticks on full hours of local time
  for (let t = Math.ceil((fromS - offsetS) / stepS) * stepS + offsetS; t < toS; t += stepS) {
    group.append(line(plot.x(t), plot.stripBottom, plot.x(t), plot.stripBottom + 4, "grid"));
    const px = Math.min(plot.right - 16, Math.max(LEFT + 16, plot.x(t)));
    group.append(label(px, plot.height - 4, "middle", clock(t, false) ?? ""));
  }
  return group;
}

/** Points of a stretch as [x, value]: one in the middle of each row, and one at either end. */
function points(plot, part, stepS, read) {
  const known = part.map((row) => [row.t, read(row)]).filter(([, value]) => value !== null);
  if (known.length === 0) return [];
  const inner = known.map(([t, value]) => [plot.x(t + stepS / 2), value]);
  const [firstT, first] = known[0];
  const [lastT, last] = known.at(-1);
  return [[plot.x(firstT), first], ...inner, [plot.x(lastT + stepS), last]];
}

const path = (pairs) => pairs.map(([x, y], index) => `${index ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

/** Stacked areas; a row without a mood, because nobody was there, ends them. */
function moodAreas(plot, part, stepS) {
  const withMood = stretches(
    part.filter((row) => share(moodOf(row).positive) !== null),
    stepS,
  );
  return withMood.flatMap((rows) =>
    SIGNS.map((sign, index) => {
      const upTo = (count) => (row) =>
        SIGNS.slice(0, count).reduce((sum, each) => sum + (share(row.valence[each]) ?? 0), 0);
      const above = points(plot, rows, stepS, upTo(index + 1)).map(([x, v]) => [x, plot.y(Math.min(1, v))]);
      const below = points(plot, rows, stepS, upTo(index)).map(([x, v]) => [x, plot.y(Math.min(1, v))]);
      return makeSvg("path", { d: `${path([...above, ...below.reverse()])}Z`, class: `area ${sign}` });
    }),
  );
}

function attentionLine(plot, part, stepS) {
  const group = makeSvg("g");
  const facing = (row) => share(object(row.attention).facing);
  for (const rows of stretches(
    part.filter((row) => facing(row) !== null),
    stepS,
  )) {
    const d = path(points(plot, rows, stepS, facing).map(([x, value]) => [x, plot.y(value)]));
    group.append(makeSvg("path", { d, class: "halo" }), makeSvg("path", { d, class: "facing" }));
  }
  return group;
}

function facesArea(plot, part, stepS, maxFaces) {
  const y = (value) => plot.stripBottom - (plot.strip * value) / Math.ceil(maxFaces);
  const top = points(plot, part, stepS, (row) => number(row.faces)).map(([x, value]) => [x, y(value)]);
  if (top.length === 0) return makeSvg("g");
  const d = `${path([...top, [top.at(-1)[0], plot.stripBottom], [top[0][0], plot.stripBottom]])}Z`;
  return makeSvg("path", { d, class: "area faces" });
}

function hatching() {
  const pattern = {
    id: "hatching",
    width: 6,
    height: 6,
    patternUnits: "userSpaceOnUse",
    patternTransform: "rotate(45)",
  };
  return makeSvg("defs", {}, makeSvg("pattern", pattern, line(0, 0, 0, 6, "hatch")));
}

function quietBand(plot, { kind, fromS, toS }) {
  const [left, right] = [plot.x(fromS), plot.x(toS)];
  const group = makeSvg("g");
  const size = { x: left, y: TOP, width: Math.max(1, right - left), height: plot.bottom - TOP };
  group.append(makeSvg("rect", { ...size, class: "quiet-band", fill: "url(#hatching)" }));
  const words = QUIET_WORDS[kind];
  if (right - left > words.length * 8)
    group.append(label((left + right) / 2, TOP + 18, "middle", words, "quiet-word"));
  return group;
}

/** The figures under the pointer, in the top left corner; the table shows all of them. */
function addReadout(svg, plot, rows, stepS) {
  const cursor = line(0, TOP, 0, plot.stripBottom, "cursor");
  const words = label(LEFT + 8, TOP + 16, "start", "", "readout");
  const readout = makeSvg("g", { visibility: "hidden" }, cursor, words);
  svg.append(readout);
  svg.addEventListener("pointerleave", () => readout.setAttribute("visibility", "hidden"));
  svg.addEventListener("pointermove", (event) => {
    const t = plot.time(event.offsetX);
    const row = rows.find((each) => each.t <= t && t < each.t + stepS);
    readout.setAttribute("visibility", row ? "visible" : "hidden");
    if (!row) return;
    const px = plot.x(row.t + stepS / 2);
    cursor.setAttribute("x1", px);
    cursor.setAttribute("x2", px);
    words.textContent = inWords(row);
    const inRightHalf = px > (LEFT + plot.right) / 2;
    words.setAttribute("x", inRightHalf ? px - 8 : px + 8);
    words.setAttribute("text-anchor", inRightHalf ? "end" : "start");
  });
}

function inWords(row) {
  const parts = [clock(row.t), `${(number(row.faces) ?? 0).toFixed(1).replace(".0", "")} faces`];
  const positive = percent(moodOf(row).positive);
  const facing = percent(object(row.attention).facing);
  if (positive !== null) parts.push(`${positive} positive`);
  if (facing !== null) parts.push(`${facing} facing`);
  return parts.join(" · ");
}
