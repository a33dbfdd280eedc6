// Runs in a page before the page's own scripts: notes every RTCPeerConnection, reads the counter picture
// from the pixels of every remote video frame and keeps the last seconds of every remote sound.
// The grid is the one of bridge/peers/picture.py.
"use strict";

(() => {
  const COLUMNS = 8, ROWS = 4, BRIGHT = 215, DARK = 40, DOUBT = 25;
  const MIDDLE = (BRIGHT + DARK) / 2;
  const KEPT_SECONDS = 20;
  const probe = { connections: [], readings: [], unreadable: 0, frames: 0, sounds: [] };
  window.probe = probe;

  function crc8(bytes) {
    let crc = 0xff;
    for (const byte of bytes) {
      crc ^= byte;
      for (let i = 0; i < 8; i++) crc = crc & 0x80 ? ((crc << 1) ^ 0x07) & 0xff : crc << 1;
    }
    return crc;
  }

  function read(pixels, width, height) {
    const strip = Math.floor(height / 2);
    const bytes = [0, 0, 0, 0];
    for (let row = 0; row < ROWS; row++) {
      for (let column = 0; column < COLUMNS; column++) {
        let sum = 0, count = 0;
        for (const y of [0.3, 0.5, 0.7]) {
          for (const x of [0.3, 0.5, 0.7]) {
            const at = 4 * (Math.floor(((row + y) * strip) / ROWS) * width + Math.floor(((column + x) * width) / COLUMNS));
            // The canvas is full-range RGB: of grey cells each channel is the luma, stretched from 16-235.
            sum += 16 + ((pixels[at] + pixels[at + 1] + pixels[at + 2]) / 3) * (219 / 255);
            count++;
          }
        }
        const level = sum / count;
        if (Math.abs(level - MIDDLE) < DOUBT) return null;
        bytes[row] = (bytes[row] << 1) | (level > MIDDLE ? 1 : 0);
      }
    }
    if (crc8(bytes.slice(0, 3)) !== bytes[3]) return null;
    return [bytes[0], (bytes[1] << 8) | bytes[2]];
  }

  // Draws what a camera shows: picture id and counter above, below a grey that moves, so that the encoder has work.
  probe.compose = (canvas, pictureId, counter) => {
    const context = canvas.getContext("2d");
    const bytes = [pictureId, counter >> 8, counter & 0xff];
    bytes.push(crc8(bytes));
    const [width, height] = [canvas.width / COLUMNS, canvas.height / 2 / ROWS];
    const fill = (level, x, y) => {
      // Luma is limited to 16-235 in a film, RGB is not.
      const full = Math.round(((level - 16) * 255) / 219);
      context.fillStyle = `rgb(${full}, ${full}, ${full})`;
      context.fillRect(Math.round(x * width), Math.round(y * height), Math.ceil(width), Math.ceil(height));
    };
    for (let row = 0; row < ROWS; row++) {
      for (let column = 0; column < COLUMNS; column++) {
        fill((bytes[row] >> (7 - column)) & 1 ? BRIGHT : DARK, column, row);
        fill(60 + ((16 * (row + column) + 3 * counter) % 128), column, row + ROWS);
      }
    }
  };

  async function watch(track) {
    const canvas = new OffscreenCanvas(320, 240);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
    for (;;) {
      const { done, value: frame } = await reader.read();
      if (done) return;
      context.drawImage(frame, 0, 0, canvas.width, canvas.height);
      frame.close();
      const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
      const reading = read(pixels, canvas.width, canvas.height);
      probe.frames++;
      if (reading === null) probe.unreadable++;
      else probe.readings.push(reading);
    }
  }

  async function listen(track) {
    const sound = { rate: 48000, pieces: [], samples: 0 };
    probe.sounds.push(sound);
    // Chromium decodes a remote sound only while something plays it.
    sound.player = new Audio();
    sound.player.srcObject = new MediaStream([track]);
    await sound.player.play();
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
    for (;;) {
      const { done, value: data } = await reader.read();
      if (done) return;
      const piece = new Float32Array(data.numberOfFrames);
      data.copyTo(piece, { planeIndex: 0, format: "f32-planar" });
      sound.rate = data.sampleRate;
      data.close();
      sound.pieces.push(piece);
      sound.samples += piece.length;
      while (sound.samples > KEPT_SECONDS * sound.rate) sound.samples -= sound.pieces.shift().length;
    }
  }

  // The last seconds of the loudest remote track as base64 of 16 bit little-endian samples.
  probe.takeSound = (seconds) => {
    let best = { rate: 48000, samples: new Int16Array(0), energy: -1 };
    for (const sound of probe.sounds) {
      const wanted = Math.min(sound.samples, Math.round(seconds * sound.rate));
      const all = new Float32Array(sound.samples);
      let at = 0;
      for (const piece of sound.pieces) { all.set(piece, at); at += piece.length; }
      const last = Int16Array.from(all.subarray(all.length - wanted), (x) => Math.max(-32768, Math.min(32767, x * 32768)));
      const energy = last.reduce((sum, x) => sum + x * x, 0);
      if (energy > best.energy) best = { rate: sound.rate, samples: last, energy };
    }
    const bytes = new Uint8Array(best.samples.buffer);
    let text = "";
    for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    return { rate: best.rate, samples: btoa(text) };
  };

  probe.takeReadings = () => probe.readings.splice(0);

  // What a <video> of the page shows at this moment: [picture id, counter], or null.
  const glass = new OffscreenCanvas(320, 240).getContext("2d", { willReadFrequently: true });
  probe.readShown = (video) => {
    const { width, height } = glass.canvas;
    glass.clearRect(0, 0, width, height);
    if (video) glass.drawImage(video, 0, 0, width, height);
    return read(glass.getImageData(0, 0, width, height).data, width, height);
  };

  const Native = window.RTCPeerConnection;
  const followed = new WeakSet(); // a track that rested and goes on has a second event
  const follow = (track) => {
    if (followed.has(track)) return;
    followed.add(track);
    (track.kind === "video" ? watch(track) : listen(track)).catch(console.error);
  };
  window.RTCPeerConnection = class extends Native {
    constructor(...parameters) {
      super(...parameters);
      probe.connections.push(this);
      this.addEventListener("track", ({ track }) => follow(track));
    }
  };
})();
