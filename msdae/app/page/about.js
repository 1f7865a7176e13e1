// What is known of the model, and the benchmark's reports.

import { get } from "./net.js";
import { $, h } from "./tools.js";

export async function reports() {
  const { reports: names } = await get("/api/bench");
  const links = names.map((name, i) => h("li", {}, h("a", { href: `/bench/${i}`, target: "_blank", rel: "noopener" }, name)));
  const text = names.length
    ? h("div", { class: "prose" }, h("p", {}, "Results that lie on this machine. Each opens as a page of its own, in which the swaps are seen and heard:"), h("ul", {}, ...links))
    : h("div", { class: "prose" },
        h("p", {}, "There is no report on this machine yet. SwapBench renders its cases, swaps them, scores what comes out, and writes a page with everything to see and hear. It takes about twenty minutes on two cores:"),
        h("pre", {}, h("code", {}, "msdae evaluate")),
        h("p", {}, "Then it is found here."));
  $("#reports").replaceChildren(text);
}

export async function facts() {
  const known = await get("/api/about");
  if (!known.model) {
    $("#facts").replaceChildren(h("p", {}, "The model is not loaded yet."));
    return;
  }
  const rows = {
    Version: `msdae ${known.version}`,
    Model: `${known.model}, ${known.levels} levels, ${(known.parameters / 1e6).toFixed(1)} million parameters, on ${known.device}`,
    "Its fingerprint": h("code", {}, known.fingerprint),
    "Trained on": `music rendered by SoundFonts${known.trained ? ` (${known.trained})` : ""}, 3 s at a time, mono`,
    Codec: known.codec,
    "Its fingerprint ": h("code", {}, known.codec_fingerprint),
    Guidance: known.guidance.length ? `usually ${known.guidance.join(", ")} for levels 1 to ${known.levels}` : "1, as in training",
    Licence: "MIT, code and weights that ship. What you make with it is yours as far as the recordings are.",
    Limits: "Results are mono, at 44.1 kHz. Some notes of chords are lost, more where a tune lies far above its bass. A sound that the model does not know is followed roughly: learn it first. Voices keep their melody, not their words.",
    Privacy: "Recordings stay on the machine that serves this page, and are deleted ten minutes after the page is closed. Learnt sounds are kept until they are deleted. Nothing is asked of any other machine.",
  };
  $("#facts").replaceChildren(h("dl", {}, ...Object.entries(rows).flatMap(([name, value]) => [h("dt", {}, name.trim()), h("dd", {}, value)])));
}
