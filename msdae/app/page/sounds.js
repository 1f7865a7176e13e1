// The library of learnt sounds, and what lies between two of them.

import { player } from "./lane.js";
import { ask, finish, get, post, stop } from "./net.js";
import { Deck } from "./sound.js";
import { melody, sound } from "./swap.js";
import { $, Progress, attempt, h, length, save, say } from "./tools.js";

const decks = new Map();

async function changed() {
  sound.list();
  await show();
}

export async function show() {
  const { sounds } = await get("/api/sounds");
  const choose = h("input", { type: "file", accept: ".sound", "aria-label": "Add a .sound file" });
  const box = h("div", { class: "progress", role: "status", hidden: true });
  choose.addEventListener("change", () => choose.files[0] && attempt(() => bring(choose.files[0], box)));
  const add = h("label", { class: "file" }, "Add a .sound file", choose);
  const list = sounds.length
    ? h("ul", { class: "sounds" }, ...sounds.map(entry))
    : h("p", { class: "empty" }, "Nothing is learnt yet. Choose a recording as the sound of a swap, and “Learn this sound”.");
  $("#library").replaceChildren(h("div", { class: "row" }, add, box), list);
  morph(sounds.filter((one) => one.usable));
}

async function bring(file, box) {
  const begun = await post(`/api/sounds?name=${encodeURIComponent(file.name)}`, file);
  const bar = new Progress(box, "Adding it", () => stop(begun.job));
  await finish(begun, (job) => bar.show(job)).finally(() => bar.end());
  await changed();
}

function entry(one) {
  const deck = decks.get(one.id) || new Deck();
  decks.set(one.id, deck);
  const play = player(deck, one.name);
  deck.changed = () => play.follow();
  play.addEventListener("click", () => !deck.buffers.length && attempt(async () => {
    await deck.load([`/api/sounds/${one.id}/preview`]);
    await deck.play(0);
  }));
  const facts = [`learnt from ${length(one.seconds)}`, new Date(1000 * one.made).toLocaleDateString()];
  if (one.held_out.length > 1) facts.push(`${Math.round(100 * (1 - one.held_out[1] / one.held_out[0]))} % closer than before`);
  if (!one.usable) facts.unshift("of another model");
  const name = h("p", { class: "name" }, one.name, h("small", {}, facts.join(" · ")));
  const use = h("button", { type: "button", disabled: !one.usable, onclick: () => attempt(async () => {
    await sound.learnt({ sound: one.id }, one.name);
    location.hash = "swap";
  }) }, "Use");
  const rename = h("button", { type: "button", class: "quiet", onclick: () => retitle(one, name) }, "Rename");
  const download = h("button", { type: "button", class: "quiet", onclick: () => attempt(async () => {
    save(await (await ask("GET", `/api/sounds/${one.id}/file`)).blob(), `${one.name}.sound`);
  }) }, "Download");
  const remove = h("button", { type: "button", class: "quiet", onclick: () => {
    if (remove.textContent === "Delete") {
      remove.textContent = "Really delete";
      setTimeout(() => (remove.textContent = "Delete"), 4000);
      return;
    }
    deck.pause();
    attempt(() => ask("DELETE", `/api/sounds/${one.id}`)).then(() => attempt(changed));
  } }, "Delete");
  return h("li", {}, play, name, h("div", { class: "row" }, use, rename, download, remove));
}

function retitle(one, place) {
  const field = h("input", { type: "text", value: one.name, maxlength: "80", "aria-label": "Name", required: true });
  const form = h("form", {}, field, h("button", {}, "Save"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(() => ask("PATCH", `/api/sounds/${one.id}`, { name: field.value })).then(() => attempt(changed));
  });
  place.replaceWith(form);
  field.select();
}

function morph(sounds) {
  $("#morph").hidden = sounds.length < 2;
  if (sounds.length < 2) return;
  const options = () => sounds.map((one) => h("option", { value: one.id }, one.name));
  const first = h("select", { "aria-label": "From" }, ...options());
  const second = h("select", { "aria-label": "To" }, ...options());
  second.selectedIndex = 1;
  const share = h("input", { type: "range", min: "0", max: "100", value: "50", "aria-label": "How far on the way" });
  const box = h("div", { class: "progress", role: "status", hidden: true });
  const deck = new Deck();
  const blend = () => ({ sound: first.value, second: second.value, share: share.value / 100 });
  const name = () => `${first.selectedOptions[0].textContent} – ${second.selectedOptions[0].textContent}, ${share.value} %`;
  const hear = h("button", { type: "button", onclick: () => attempt(async () => {
    const tune = melody.clip?.id || (await get("/api/examples")).melodies[0].id;
    const begun = await post("/api/swaps", { levels: { 1: blend() }, melody: tune, strength: 1, guidance: null, seed: 0 });
    const bar = new Progress(box, "Rendering", () => stop(begun.job));
    const result = await finish(begun, (job) => bar.show(job)).finally(() => bar.end());
    if (!result) return;
    await deck.load([`/api/clips/${result.clip}/sound`]);
    await deck.play(0);
  }) }, "Hear it");
  const use = h("button", { type: "button", class: "primary", onclick: () => attempt(async () => {
    await sound.learnt(blend(), name());
    location.hash = "swap";
    say("Your sound is between the two now.");
  }) }, "Use it");
  $("#morph").replaceChildren(
    h("h2", {}, "Between two sounds"),
    h("div", { class: "pair" }, first, share, second),
    h("div", { class: "row" }, hear, use, box),
  );
}
