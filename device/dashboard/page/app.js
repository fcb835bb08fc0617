// Starts the page: which view is shown, the state of the connection, the theme.

import * as board from "./board.js";
import { byId, setNote, setText } from "./dom.js";
import * as driver from "./driver.js";
import * as fleet from "./fleet.js";
import { connect } from "./live.js";
import * as room from "./room.js";
import { situation } from "./situation.js";
import { list, number, object, text } from "./values.js";

const VIEWS = { room, driver, device: board, fleet };
const TITLES = { room: "Room", driver: "Driver", device: "Device", fleet: "Fleet" };
const THEMES = ["auto", "light", "dark"];

let link = "connecting";
let snapshot = null;
let receivedMs = 0;
let asked = false; // a frame is asked for already

/** The view that the address names. */
function currentView() {
  const name = location.pathname.replace(/\//g, "");
  return Object.hasOwn(VIEWS, name) ? name : "room";
}

/** Show the view of the address, and put the focus on its heading if a person chose it. */
function showView(chosen) {
  const name = currentView();
  for (const each of Object.keys(VIEWS)) byId(each).hidden = each !== name;
  for (const anchor of document.querySelectorAll("nav a")) {
    if (anchor.dataset.view === name) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  }
  document.body.dataset.view = name;
  if (chosen) byId(name).querySelector("h1").focus();
  render();
}

/** Draw the current view, at most once a frame and never while nobody can see it. */
function render() {
  if (asked || document.hidden) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    draw();
  });
}

function draw() {
  const view = currentView();
  const now = view === "fleet" ? fleet.situation() : situation(link, snapshot);
  showLink(view, now);
  const elapsedS = (performance.now() - receivedMs) / 1000;
  const nowS = number(object(snapshot).now) === null ? null : snapshot.now + elapsedS; // of the server's clock
  VIEWS[view].render({ snapshot: object(snapshot), situation: now, nowS });
}

/** A server has the views of one device, or that of a fleet; go to one that it has. */
function leaveUnknownView(view) {
  const views = list(object(snapshot).views);
  if (views.length > 0 && !views.includes(view) && Object.hasOwn(VIEWS, views[0])) location.replace(`/${views[0]}`);
}

function showLink(view, now) {
  const device = text(object(snapshot).device);
  byId("link").dataset.key = now.key;
  setText(byId("link-word"), now.word);
  setText(byId("device-name"), device ?? "emotion-edge");
  setText(byId("banner"), now.sentence); // a live region must not be hidden, only empty
  document.body.classList.toggle("old", now.old);
  document.title = `${TITLES[view]} · ${device ?? "emotion-edge"}`;
  const views = list(object(snapshot).views);
  for (const anchor of document.querySelectorAll("nav a")) {
    const name = anchor.dataset.view;
    anchor.hidden = views.length > 0 ? !views.includes(name) : (name === "fleet") !== (view === "fleet");
  }
}

function chooseView(event) {
  const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button);
  const anchor = event.target.closest("a");
  if (!plain || anchor === null) return;
  event.preventDefault();
  history.pushState(null, "", anchor.href);
  showView(true);
}

function showTheme() {
  const theme = document.documentElement.dataset.theme ?? "auto";
  setText(byId("theme-word"), { auto: "Auto", light: "Light", dark: "Dark" }[theme]);
}

function nextTheme() {
  const { dataset } = document.documentElement;
  const theme = THEMES[(THEMES.indexOf(dataset.theme ?? "auto") + 1) % THEMES.length];
  if (theme === "auto") delete dataset.theme;
  else dataset.theme = theme;
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // storage may be forbidden; the theme then lasts until the page is left
  }
  showTheme();
}

document.querySelector("nav").addEventListener("click", chooseView);
addEventListener("popstate", () => showView(false));
byId("theme").addEventListener("click", nextTheme);
document.addEventListener("visibilitychange", render);
setInterval(render, 1000); // ages grow also when nothing arrives
showTheme();
showView(false);
room.start(render);
fleet.start(render);
if (currentView() !== "fleet") {
  connect(
    (received) => {
      snapshot = received;
      leaveUnknownView(currentView());
      receivedMs = performance.now();
      render();
    },
    (state) => {
      if (state !== link) render();
      link = state;
    },
  );
}
