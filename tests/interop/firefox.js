// Runs in a Firefox page after probe.js and before the page's own scripts. Firefox takes no file for a camera: the
// picture of its fake one is replaced by the counter picture, drawn on a canvas. It has no MediaStreamTrackProcessor
// either: what the page's own <video> shows is read, and sound is recorded.
"use strict";

(() => {
  const FRAMES_PER_SECOND = 15;
  const camera = document.createElement("canvas");
  [camera.width, camera.height] = [320, 240];

  /** The camera shows `pictureId` from now on. Its counter goes on over a reload of the page. */
  probe.show = (pictureId) => {
    const everyMs = 1000 / FRAMES_PER_SECOND;
    setInterval(() => probe.compose(camera, pictureId, Math.floor(Date.now() / everyMs) & 0xffff), everyMs);
  };

  const native = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (constraints) => {
    const stream = await native(constraints);
    for (const track of stream.getVideoTracks()) {
      stream.removeTrack(track);
      track.stop();
      stream.addTrack(camera.captureStream(FRAMES_PER_SECOND).getVideoTracks()[0]);
    }
    return stream;
  };

  /** Reads what `selector` shows at every frame, for so many milliseconds: [picture id, counter], or null. */
  probe.watchShown = async (selector, milliseconds) => {
    const readings = [];
    const video = document.querySelector(selector);
    const until = performance.now() + milliseconds;
    while (performance.now() < until) {
      await new Promise((done) => video.requestVideoFrameCallback(done));
      readings.push(probe.readShown(video));
    }
    return readings;
  };

  /** What the remote sound of the page was for so many milliseconds, as base64 of an Ogg file. */
  probe.record = async (milliseconds) => {
    const receivers = probe.connections.flatMap((connection) => connection.getReceivers());
    const { track } = receivers.find(({ track }) => track.kind === "audio" && track.readyState === "live");
    const recorder = new MediaRecorder(new MediaStream([track]), { mimeType: "audio/ogg; codecs=opus" });
    const pieces = [];
    recorder.ondataavailable = ({ data }) => pieces.push(data);
    const stopped = new Promise((done) => (recorder.onstop = done));
    recorder.start();
    setTimeout(() => recorder.stop(), milliseconds);
    await stopped;
    const bytes = new Uint8Array(await new Blob(pieces).arrayBuffer());
    let text = "";
    for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    return btoa(text);
  };
})();
