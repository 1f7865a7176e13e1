// A clip as it is seen: its spectrogram, its notes, and the place that is heard.

import { h, icon, s } from "./tools.js";

/** The pitches of a clip, for rolls that can be compared; few notes far from all others are left out. */
export function span(clip, margin = 2) {
  const pitches = (clip.notes || []).map((note) => note[2]).sort((one, other) => one - other);
  if (!pitches.length) return [58.5, 73.5];
  const few = Math.floor(pitches.length / 25);
  return [pitches[few] - margin, pitches[pitches.length - 1 - few] + margin];
}

/** Notes as bars, the higher the higher. */
export function roll(clip, [low, high]) {
  const box = s("svg", { viewBox: `0 0 ${clip.seconds} 100`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const height = Math.max(4, Math.min(14, 100 / (high - low)));
  for (const [onset, offset, pitch] of clip.notes || []) {
    const y = 100 - (100 * (pitch - low)) / (high - low) - height / 2;
    const width = Math.max(0.03, offset - onset - 0.02);
    box.append(s("rect", { x: onset, y, width, height, rx: 0.02 }));
  }
  return box;
}

/** A lane of `deck`: a click plays from there. */
export function lane(clip, deck, index, pitches = span(clip)) {
  const head = h("span", { class: "head" });
  const picture = h("img", { src: clip.picture, alt: "" });
  const button = h("button", { type: "button", class: "lane", "aria-label": `Play ${clip.name} from where you click` }, picture);
  if (clip.notes?.length) button.append(roll(clip, pitches));
  button.append(head);
  button.addEventListener("click", (event) => {
    const box = button.getBoundingClientRect();
    const share = event.detail ? (event.clientX - box.left) / box.width : 0; // by keyboard: from the beginning
    deck.choose(index);
    deck.play(share * clip.seconds);
  });
  button.follow = () => {
    head.style.left = `${100 * deck.share(index)}%`;
    button.classList.toggle("heard", deck.playing || deck.place > 0);
  };
  return button;
}

/** A round button that plays and pauses a deck. */
export function player(deck, name) {
  const button = h("button", { type: "button", class: "round primary", onclick: () => deck.toggle() });
  button.follow = () => {
    if (button.playing === deck.playing) return;
    button.playing = deck.playing;
    button.replaceChildren(icon(deck.playing ? "pause" : "play"));
    button.setAttribute("aria-label", `${deck.playing ? "Pause" : "Play"} ${name}`);
  };
  button.follow();
  return button;
}
