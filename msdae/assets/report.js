// Without this script each clip has the browser's own player; with it the spectrogram is the player.
(() => {
  "use strict";
  let playing = null;

  const follow = (sound, button) => {
    if (sound.paused) return;
    button.style.setProperty("--played", sound.currentTime / (sound.duration || 1));
    requestAnimationFrame(() => follow(sound, button));
  };

  for (const clip of document.querySelectorAll(".clip")) {
    const sound = clip.querySelector("audio");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "play";
    button.setAttribute("aria-label", "Play " + sound.getAttribute("aria-label"));
    button.setAttribute("aria-pressed", "false");
    const stopped = () => {}; // another clip was started before this one had begun
    button.addEventListener("click", () => (sound.paused ? sound.play().catch(stopped) : sound.pause()));
    sound.addEventListener("play", () => {
      if (playing && playing !== sound) {
        playing.pause();
        playing.currentTime = 0;
      }
      playing = sound;
      button.setAttribute("aria-pressed", "true");
      follow(sound, button);
    });
    sound.addEventListener("pause", () => button.setAttribute("aria-pressed", "false"));
    clip.querySelector(".seen").append(button);
  }

  const volume = document.createElement("input"); // one for all clips: their players are hidden
  Object.assign(volume, { type: "range", min: 0, max: 1, step: 0.01, value: 1 });
  volume.addEventListener("input", () => {
    for (const sound of document.querySelectorAll("audio")) sound.volume = volume.value;
  });
  const label = document.createElement("label");
  label.className = "volume";
  label.append("Volume", volume);
  document.querySelector("nav").append(label);
  document.documentElement.classList.add("js");
})();
