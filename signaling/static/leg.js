// One RTCPeerConnection: this desktop's leg in one interaction. Perfect negotiation, polite side (PROTOCOL.md 5).

const AGAIN_AFTER_MS = 3000;
const TRIES = 5;
// Refusals that pass. A glare's cure, the bridge's own offer, is on its way; the retry is for when it got lost.
const PASSING = new Set(["glare", "timeout", "at_capacity", "plane_lost", "internal_error"]);

export class Leg extends EventTarget {
  #socket;
  #work = Promise.resolve();
  #closed = false;
  #dirty = false;
  #tries = 0;
  legId = null;
  camera = null;
  microphone = null;
  /** participantId -> MediaStream with that participant's picture */
  pictures = new Map();
  /** The mix of all others. */
  sound = null;

  constructor(socket, interactionId, { audio, video, codec = "" }) {
    super();
    this.#socket = socket;
    this.interactionId = interactionId;
    this.pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.pc.addEventListener("negotiationneeded", () => this.negotiate());
    this.pc.addEventListener("connectionstatechange", () => this.#connectionChanged());
    this.microphone = audio;
    this.pc.addTransceiver(audio ?? "audio", { direction: audio ? "sendrecv" : "recvonly" });
    if (video) this.addCamera(video, codec);
  }

  /** Starts to send a picture, at first or in the middle of the call. */
  addCamera(track, codec = "") {
    this.camera = track;
    const transceiver = this.pc.addTransceiver(track, { direction: "sendonly" });
    if (codec) preferCodec(transceiver, codec);
    this.#changed();
  }

  /** After a dropped websocket: no media, or an offer whose answer got lost. */
  get isBroken() {
    return this.pc.connectionState !== "connected" || this.pc.signalingState !== "stable";
  }

  get closed() {
    return this.#closed;
  }

  /** Offers what this side wants now. Asked twice, it is done once more at the end. */
  negotiate() {
    this.#dirty = true;
    return this.#next(async () => {
      if (!this.#dirty || this.pc.signalingState !== "stable") return;
      await this.#offer();
    });
  }

  /** The bridge's offer. Waits in line behind an offer of ours, whose reply comes without our doing. */
  receiveOffer(legId, sdp) {
    return this.#next(async () => {
      if (this.legId !== null && legId !== this.legId) return;
      // With an offer of our own still open this rolls it back; negotiationneeded then comes again.
      await this.pc.setRemoteDescription({ type: "offer", sdp });
      await this.pc.setLocalDescription();
      await this.#socket.request("answerMedia", { legId, sdp: this.pc.localDescription.sdp });
      this.#survey();
    });
  }

  /** After a network change or a new websocket: new ICE, same media. */
  restart() {
    return this.#next(async () => {
      this.pc.restartIce();
      this.#tries = 0;
      await this.#rollBack();
      await this.#offer();
    });
  }

  close() {
    this.#closed = true;
    this.pc.close();
    for (const track of [this.microphone, this.camera]) track?.stop();
  }

  async #offer() {
    this.#dirty = false;
    await this.pc.setLocalDescription();
    try {
      const { sdp } = this.pc.localDescription;
      const reply = await this.#socket.request("offerMedia", { interactionId: this.interactionId, sdp });
      this.legId = reply.legId;
      await this.pc.setRemoteDescription({ type: "answer", sdp: reply.sdp });
      this.#tries = 0;
      this.#survey();
    } catch (error) {
      // The offer stays open meanwhile: rolled back, the browser would at once ask for the next one.
      if (PASSING.has(error.code) && ++this.#tries < TRIES) {
        setTimeout(() => this.#next(() => this.#offerAgain()), AGAIN_AFTER_MS);
      } else if (error.code !== "glare") throw error;
    }
  }

  async #offerAgain() {
    if (this.pc.signalingState !== "have-local-offer") return;
    await this.#rollBack();
    await this.#offer();
  }

  async #rollBack() {
    if (this.pc.signalingState === "have-local-offer") await this.pc.setLocalDescription({ type: "rollback" });
  }

  /** One after the other: descriptions must not cross. */
  #next(step) {
    this.#work = this.#work.then(() => (this.#closed ? undefined : step())).catch((error) => {
      if (!this.#closed) this.dispatchEvent(new CustomEvent("trouble", { detail: error }));
    });
    return this.#work;
  }

  /** Reads off the bridge's description what arrives and whose it is; track events miss a change of owner. */
  #survey() {
    const owners = streamLabels(this.pc.remoteDescription.sdp);
    const pictures = new Map();
    for (const { mid, currentDirection, receiver } of this.pc.getTransceivers()) {
      if (!["recvonly", "sendrecv"].includes(currentDirection)) continue;
      const { track } = receiver;
      if (track.kind === "audio") {
        this.sound ??= new MediaStream([track]);
      } else {
        const owner = owners.get(mid) ?? mid;
        const shown = this.pictures.get(owner);
        pictures.set(owner, shown?.getTracks()[0] === track ? shown : new MediaStream([track]));
      }
    }
    this.pictures = pictures;
    this.#changed();
  }

  #connectionChanged() {
    if (this.pc.connectionState === "failed" && !this.#closed) this.restart();
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/** mid -> id of the MediaStream (a=msid, RFC 8830), which is the participant the media comes from. */
function streamLabels(sdp) {
  const labels = new Map();
  for (const section of sdp.split(/^m=/m).slice(1)) {
    const mid = /^a=mid:(\S+)/m.exec(section)?.[1];
    const label = /^a=msid:(\S+)/m.exec(section)?.[1];
    if (mid !== undefined && label !== undefined && label !== "-") labels.set(mid, label);
  }
  return labels;
}

/** Puts one codec first in what the camera offers. */
function preferCodec(transceiver, name) {
  const wanted = `video/${name}`.toLowerCase();
  const codecs = RTCRtpSender.getCapabilities("video").codecs;
  const first = codecs.filter((codec) => codec.mimeType.toLowerCase() === wanted);
  const rest = codecs.filter((codec) => codec.mimeType.toLowerCase() !== wanted);
  if (first.length) transceiver.setCodecPreferences([...first, ...rest]);
}
