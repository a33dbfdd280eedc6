// Proves to the bridge again and again that this desktop can take work: microphone, camera, a way for media.

import { Devices } from "./device.js";
import { pathTrouble } from "./path.js";

const EVERY_S = 10; // until the bridge says otherwise
const DETAIL_MAX = 500;

export class Readiness extends EventTarget {
  #socket;
  #hasMedia;
  #devices = new Devices();
  #pulse = null;
  #proving = null;
  #again = false;
  #everyS = EVERY_S;
  wanted = false;
  /** What the last proof said is wrong, by what it is wrong with; null before the bridge has the first. */
  troubles = null;
  /** Whether the bridge offers nothing where the proof fails. */
  required = true;

  /** `hasMedia` says whether a call is connected: that proves the way better than any check. */
  constructor(socket, hasMedia) {
    super();
    this.#socket = socket;
    this.#hasMedia = hasMedia;
    for (const happened of ["online", "offline"]) window.addEventListener(happened, () => this.#soon());
    this.#devices.addEventListener("change", () => this.#soon());
  }

  /** From now on, or no longer. */
  want(wanted) {
    if (wanted === this.wanted) return this.#soon();
    this.wanted = wanted;
    if (!wanted) this.troubles = null;
    if (wanted && this.#pulse === null) {
      this.#pulse = new Worker("pulse.js");
      this.#pulse.addEventListener("message", () => this.#soon());
    }
    this.#beat();
    return this.#soon();
  }

  #beat() {
    this.#pulse?.postMessage(this.wanted ? this.#everyS * 1000 : 0);
  }

  /** One proof at a time; what happens meanwhile is looked at once more. */
  #soon() {
    if (!this.wanted) return Promise.resolve();
    if (this.#proving !== null) {
      this.#again = true;
      return this.#proving;
    }
    this.#proving = this.#prove().finally(() => {
      this.#proving = null;
      if (!this.#again) return;
      this.#again = false;
      this.#soon();
    });
    return this.#proving;
  }

  async #prove() {
    if (this.#socket.state !== "online") return;
    const [devices, path] = await Promise.all([this.#devices.troubles(), this.#path()]);
    if (!this.wanted) return;
    const troubles = { ...devices, path };
    const detail = Object.values(troubles).filter(Boolean).join(" ").slice(0, DETAIL_MAX);
    const works = { microphone: !devices.microphone, camera: !devices.camera, ice: !path };
    try {
      await this.#socket.request("proveReady", { ...works, detail });
    } catch {
      // The socket is gone or the bridge is: coming back brings the next proof.
    }
    if (!this.wanted) return;
    this.troubles = troubles;
    this.dispatchEvent(new Event("change"));
  }

  async #path() {
    let probe = null;
    try {
      probe = await this.#socket.request("getMediaProbe");
    } catch (error) {
      return `The bridge cannot take media now: ${error.message}`;
    }
    this.required = probe.proofRequired;
    if (probe.proveEveryS !== this.#everyS) {
      this.#everyS = probe.proveEveryS;
      this.#beat();
    }
    return this.#hasMedia() ? "" : pathTrouble(probe);
  }
}
