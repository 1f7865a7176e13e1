// The page: its parts, the keyboard, and what is told while the server wakes up.

import { facts, reports } from "./about.js";
import { show as showMap } from "./map.js";
import { awake, begin, watch } from "./net.js";
import { Deck } from "./sound.js";
import { show as showSounds } from "./sounds.js";
import { deck as result, restore, slots } from "./swap.js";
import { $, attempt, h } from "./tools.js";

const VIEWS = { swap: null, sounds: showSounds, map: showMap, bench: reports, about: facts };
const title = $("title").textContent;

function view() {
  const hash = location.hash.slice(1);
  const name = Object.hasOwn(VIEWS, hash) ? hash : "swap";
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== name;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = name === "swap" ? title : `${$(`#${name} h1`).textContent} – msdae`;
  if (VIEWS[name] && awake()) attempt(VIEWS[name]);
}

document.addEventListener("keydown", (event) => {
  const deck = Deck.current || result;
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea, summary")) return;
  if (event.key === " " && deck.buffers.length && !event.target.matches("button, a, [role=button]")) {
    event.preventDefault();
    deck.toggle();
  }
  if (["1", "2", "3"].includes(event.key)) result.choose(Number(event.key) - 1);
  if (event.key === "ArrowLeft") deck.seek(deck.now - 5);
  if (event.key === "ArrowRight") deck.seek(deck.now + 5);
});

// Its address would be taken for a view's.
$(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  $("#view").focus();
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
  slots.sound.list();
  if (!$("#sounds").hidden && !$("#sounds form")) attempt(showSounds);
});

let ready = false;
watch((state) => {
  const box = $("#wait");
  const trouble = state.lost || state.failed || "";
  box.classList.toggle("bad", Boolean(trouble));
  if ((trouble || state.ready) && box.textContent !== trouble) box.replaceChildren(trouble);
  if (state.ready && !ready) {
    ready = true;
    for (const slot of Object.values(slots)) slot.list();
    attempt(restore);
    view();
  }
  if (!state.ready && !trouble && state.opening !== undefined) {
    box.replaceChildren("The model is waking up", h("progress", { max: "1", value: String(state.opening) }));
  }
});

view();
attempt(begin);
