// Sound in the browser: clips that are played in step, recordings, and WAV files of what browsers decode.

import { ask } from "./net.js";

let context = null;
export const audio = () => (context ??= new AudioContext());

const kept = new Map();
const MOST = 24;

/** The sound at an address of the server, decoded; kept for the next time. */
export async function load(path) {
  if (!kept.has(path)) {
    const bytes = ask("GET", path).then((answer) => answer.arrayBuffer());
    kept.set(path, bytes.then((data) => audio().decodeAudioData(data)));
    if (kept.size > MOST) kept.delete(kept.keys().next().value);
  }
  try {
    return await kept.get(path);
  } catch (error) {
    kept.delete(path);
    throw error;
  }
}

let current = null;

/** Clips that play at one place in time, of which one is heard; shorter ones begin again. */
export class Deck {
  constructor() {
    Object.assign(this, { buffers: [], chosen: 0, place: 0, nodes: null, changed: () => {} });
  }

  /** The deck that the keyboard is for. */
  static get current() {
    return current;
  }

  /** Of several clips all but the last may be gone from the server. */
  async load(paths) {
    this.pause();
    this.wanted = paths;
    const last = paths.at(-1);
    const buffers = await Promise.all(paths.map((path) => (path === last ? load(path) : load(path).catch(() => null))));
    if (this.wanted !== paths) return;
    this.buffers = buffers;
    this.chosen = Math.min(this.chosen, paths.length - 1);
    this.place = 0;
    this.changed();
  }

  /** Nothing is there any more, nor comes what is on its way. */
  clear() {
    this.pause();
    Object.assign(this, { buffers: [], place: 0, wanted: null });
    if (current === this) current = null;
    this.changed();
  }

  get playing() {
    return this.nodes !== null;
  }

  get seconds() {
    return this.buffers.length ? this.buffers.at(-1).duration : 0;
  }

  /** Seconds since the beginning, however often clips have begun again. */
  get now() {
    return Math.max(0, this.playing ? audio().currentTime - this.since : this.place);
  }

  /** Where a clip is, 0 to 1. */
  share(index) {
    const seconds = this.buffers[index]?.duration;
    return seconds ? (this.now % seconds) / seconds : 0;
  }

  async play(place = this.place) {
    if (!this.buffers.length) return;
    if (current && current !== this) current.pause();
    current = this;
    await Promise.race([audio().resume(), new Promise((resolve) => setTimeout(resolve, 500))]);
    this.halt(); // also what another click began while this one waited
    if (audio().state !== "running" || !this.buffers.length) return; // before a visitor has touched the page browsers play nothing
    const start = audio().currentTime + 0.02;
    this.since = start - place;
    this.nodes = this.buffers.map((buffer, index) => {
      if (!buffer) return null;
      const source = new AudioBufferSourceNode(audio(), { buffer, loop: true });
      const gain = new GainNode(audio(), { gain: index === this.chosen ? 1 : 0 });
      source.connect(gain).connect(audio().destination);
      source.start(start, place % buffer.duration);
      return { source, gain };
    });
    this.follow();
  }

  follow() {
    this.frame = requestAnimationFrame(() => this.follow());
    this.changed();
  }

  halt() {
    cancelAnimationFrame(this.frame);
    for (const node of this.nodes || []) node?.source.stop();
    this.nodes = null;
  }

  pause() {
    if (!this.playing) return;
    this.place = this.now;
    this.halt();
    this.changed();
  }

  toggle() {
    return this.playing ? this.pause() : this.play();
  }

  async seek(place) {
    this.place = Math.max(0, place);
    if (this.playing) await this.play(this.place);
    this.changed();
  }

  /** Hear another clip at the same place. */
  choose(index) {
    if (!this.buffers[index]) return;
    this.chosen = index;
    (this.nodes || []).forEach((node, i) => node?.gain.gain.setTargetAtTime(i === index ? 1 : 0, audio().currentTime, 0.008));
    this.changed();
  }
}

/** The seconds that a WAV file of so many bytes holds, as `wav` makes it. */
export const capacity = (bytes) => Math.floor((bytes - 44) / 2) / audio().sampleRate;

/** What a browser can decode, as a WAV file of 16 bits, mono; at most so many seconds. */
export async function wav(blob, longest) {
  const buffer = await audio().decodeAudioData(await blob.arrayBuffer());
  const samples = Math.min(buffer.length, Math.round(longest * buffer.sampleRate));
  const mono = new Float32Array(samples);
  for (let channel = 0; channel < buffer.numberOfChannels; channel += 1) {
    const values = buffer.getChannelData(channel);
    for (let i = 0; i < samples; i += 1) mono[i] += values[i] / buffer.numberOfChannels;
  }
  const view = new DataView(new ArrayBuffer(44 + 2 * samples));
  const write = (at, text) => [...text].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  write(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples, true);
  write(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, buffer.sampleRate, true);
  view.setUint32(28, 2 * buffer.sampleRate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  write(36, "data");
  view.setUint32(40, 2 * samples, true);
  mono.forEach((value, i) => view.setInt16(44 + 2 * i, Math.round(32767 * Math.max(-1, Math.min(1, value))), true));
  return new Blob([view.buffer], { type: "audio/wav" });
}

/** Records the microphone until `stop`; `level` is told 0 to 1, and the seconds. */
export async function record(level, longest) {
  if (!navigator.mediaDevices || !window.MediaRecorder) {
    throw new Error("This browser records only on pages of this machine (localhost) or by https.");
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    });
  } catch (error) {
    const none = error.name === "NotFoundError";
    throw new Error(none ? "There is no microphone." : "The microphone is not allowed. Allow it in the browser, and try again.");
  }
  await audio().resume();
  const analyser = new AnalyserNode(audio(), { fftSize: 1024 });
  audio().createMediaStreamSource(stream).connect(analyser);
  const values = new Float32Array(1024);
  const recorder = new MediaRecorder(stream);
  const parts = [];
  const began = performance.now();
  recorder.ondataavailable = (event) => parts.push(event.data);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(values);
    const seconds = (performance.now() - began) / 1000;
    level(Math.min(1, 3 * Math.max(...values.map(Math.abs))), seconds);
    if (seconds >= longest && recorder.state === "recording") recorder.stop();
  }, 80);
  const done = new Promise((resolve) => {
    recorder.onstop = () => {
      clearInterval(timer);
      stream.getTracks().forEach((track) => track.stop());
      resolve(new Blob(parts, { type: recorder.mimeType }));
    };
  });
  recorder.start();
  return { done, stop: () => recorder.state === "recording" && recorder.stop() };
}
