// The map of sounds: examples, learnt sounds and the visitor's own.

import { player } from "./lane.js";
import { get } from "./net.js";
import { Deck } from "./sound.js";
import { sound } from "./swap.js";
import { $, attempt, h, s } from "./tools.js";

const deck = new Deck();
let button = null;
deck.changed = () => button?.follow();

export async function show() {
  const { points } = await get("/api/map");
  if (sound.clip?.place && !points.some((point) => point.clip === sound.clip.id)) {
    points.push({ clip: sound.clip.id, name: sound.clip.name, place: sound.clip.place, mine: true });
  }
  const narrow = matchMedia("(max-width: 46rem)").matches;
  const plane = narrow ? { width: 480, height: 560, edge: 30 } : { width: 1000, height: 600, edge: 50 };
  const drawing = s("svg", { viewBox: `0 0 ${plane.width} ${plane.height}`, role: "group", "aria-label": "Sounds" });
  for (const point of points) {
    point.x = plane.edge + point.place[0] * (plane.width - 2 * plane.edge);
    point.y = plane.edge + point.place[1] * (plane.height - 2 * plane.edge);
  }
  // Learnt sounds are larger and below: one lies where the example lies that it was learnt from.
  points.sort((one, other) => Boolean(other.sound || other.mine) - Boolean(one.sound || one.mine));
  const boxes = points.map((point) => ({ point, left: point.x - 9, right: point.x + 9, top: point.y - 9, bottom: point.y + 9 }));
  drawing.append(...points.map((point) => dot(point, boxes, plane.width)));
  const key = h("p", { class: "key" }, h("span", {}, h("i"), "example"), h("span", { class: "learnt" }, h("i"), "learnt"));
  if (points.some((point) => point.mine)) key.append(h("span", { class: "mine" }, h("i"), "your recording"));
  $("#chart").replaceChildren(drawing, key);
}

/** A sound on the map; its name is hidden where others lie. boxes: what is covered so far. */
function dot(point, boxes, edge) {
  const { x, y } = point;
  const width = 20 + 7.2 * point.name.length;
  const left = x + width > edge;
  const label = s("text", { x: left ? x - 12 : x + 12, y: y + 4, "text-anchor": left ? "end" : "start" }, point.name);
  const kind = point.sound ? "learnt" : point.mine ? "mine" : "example";
  const group = s("g", { class: kind, tabindex: "0", role: "button", "aria-label": point.name }, s("circle", { cx: x, cy: y, r: point.sound || point.mine ? 11 : 7 }), label);
  const box = { point, left: left ? x - width : x, right: left ? x : x + width, top: y - 8, bottom: y + 8 };
  const crowded = boxes.some((other) => other.point !== point && Math.hypot(other.point.x - x, other.point.y - y) > 3 && box.left < other.right && other.left < box.right && box.top < other.bottom && other.top < box.bottom);
  group.classList.toggle("crowded", crowded);
  if (!crowded) boxes.push(box);
  const choose = () => attempt(() => chosen(point, group));
  group.addEventListener("click", choose);
  group.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    choose();
  });
  return group;
}

async function chosen(point, group) {
  for (const other of group.parentNode.querySelectorAll(".on")) other.classList.remove("on");
  group.classList.add("on");
  button = player(deck, point.name);
  const use = h("button", { type: "button", onclick: () => attempt(async () => {
    if (point.sound) await sound.learnt({ sound: point.sound }, point.name);
    else await sound.open(point.clip, point.name);
    location.hash = "swap";
  }) }, "Use as sound");
  $("#chosen").replaceChildren(button, h("b", {}, point.name), use);
  await deck.load([point.sound ? `/api/sounds/${point.sound}/preview` : `/api/clips/${point.clip}/sound`]);
  await deck.play(0);
}
