// The page: its parts, the keyboard, and what is told while the server wakes up.

import { facts, reports } from "./about.js";
import { show as showMap } from "./map.js";
import { awake, begin, watch } from "./net.js";
import { Deck } from "./sound.js";
import { show as showSounds } from "./sounds.js";
import { restore, slots } from "./swap.js";
import { $, attempt, h, say } from "./tools.js";

const VIEWS = { swap: null, sounds: showSounds, map: showMap, bench: reports, about: facts };
const title = $("title").textContent;

function view() {
  const name = location.hash.slice(1) in VIEWS ? location.hash.slice(1) : "swap";
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== name;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = name === "swap" ? title : `${$(`#${name} h1`).textContent} – msdae`;
  if (VIEWS[name] && awake()) attempt(VIEWS[name]);
}

document.addEventListener("keydown", (event) => {
  const deck = Deck.current;
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea, summary")) return;
  if (!deck) return;
  if (event.key === " " && !event.target.matches("button, a, [role=button]")) {
    event.preventDefault();
    deck.toggle();
  }
  if (["1", "2", "3"].includes(event.key)) deck.choose(Number(event.key) - 1);
  if (event.key === "ArrowLeft") deck.seek(deck.now - 5);
  if (event.key === "ArrowRight") deck.seek(deck.now + 5);
});

// A file that misses a slot does not replace the page.
for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
window.addEventListener("hashchange", () => {
  view();
  $("#view").focus({ preventScroll: true });
  scrollTo(0, 0);
});

// A sound was learnt; a name that is being typed is not disturbed.
window.addEventListener("library", () => {
  if (!$("#sounds").hidden && !$("#sounds form")) attempt(showSounds);
});

let ready = false;
let failure = "";
watch((state) => {
  const box = $("#wait");
  if (state.failed && state.failed !== failure) {
    failure = state.failed;
    box.replaceChildren();
    say(failure, true);
  }
  if (state.ready && !ready) {
    ready = true;
    box.replaceChildren();
    for (const slot of Object.values(slots)) slot.list();
    attempt(restore);
    view();
  }
  if (!state.ready && !state.failed && state.opening !== undefined) {
    box.replaceChildren("The model is waking up", h("progress", { max: "1", value: String(state.opening) }));
  }
});

view();
attempt(begin);
