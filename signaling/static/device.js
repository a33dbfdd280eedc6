// Camera and microphone, and plain words for why there is none.

/** Why media cannot work in this page at all, "" if it can. */
export function browserTrouble() {
  if (!window.isSecureContext || !navigator.mediaDevices) {
    return "Camera and microphone are closed to this page, because it was not loaded over HTTPS. "
      + "Open it by its https:// address (set http.certificate and http.private_key), or on localhost.";
  }
  if (!window.RTCPeerConnection || !RTCRtpTransceiver.prototype.setCodecPreferences) {
    return "This browser has no complete WebRTC. Use a current Chrome, Edge or Firefox.";
  }
  const chromium = /Chrom(?:e|ium)\/(\d+)/.exec(navigator.userAgent);
  if (chromium && Number(chromium[1]) < 90) {
    return `This browser is version ${chromium[1]}; version 90 or newer is needed. Update it before going ready.`;
  }
  return "";
}

/** What to tell a person about a failed getUserMedia. */
export function deviceTrouble(error, what) {
  switch (error.name) {
    case "NotAllowedError":
      return `The browser blocks the ${what}. Allow it with the icon left of the address, then try again.`;
    case "NotFoundError":
    case "OverconstrainedError":
      return `No ${what} was found. Plug one in, or check the system settings.`;
    case "NotReadableError":
    case "AbortError":
      return `The ${what} is used by another program or does not respond.`;
    default:
      return `The ${what} cannot be opened: ${error.message || error.name}`;
  }
}

/** Opens what there is. Never fails: `troubles` says what is missing and why. */
export async function openDevices({ camera, processing = true }) {
  const trouble = browserTrouble();
  if (trouble) return { audio: null, video: null, troubles: [trouble] };
  const audio = processing || { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const microphone = await openDevice("microphone", { audio });
  const picture = camera ? await openCamera() : NOTHING;
  return {
    audio: microphone.track,
    video: picture.track,
    troubles: [microphone.trouble, picture.trouble].filter(Boolean),
  };
}

export function openCamera() {
  return openDevice("camera", { video: { width: 640, height: 480, frameRate: 30 } });
}

const NOTHING = { track: null, trouble: "" };

async function openDevice(what, constraints) {
  try {
    const stream = await navigator.mediaDevices.getUserMedia(constraints);
    return { track: stream.getTracks()[0], trouble: "" };
  } catch (error) {
    return { track: null, trouble: deviceTrouble(error, what) };
  }
}

const KINDS = { microphone: "audioinput", camera: "videoinput" };

/** Whether microphone and camera can be used now, without opening them each time; "change" when that may differ. */
export class Devices extends EventTarget {
  #opened = {};

  constructor() {
    super();
    navigator.mediaDevices?.addEventListener("devicechange", () => this.#changed());
    for (const what of Object.keys(KINDS)) this.#watch(what);
  }

  /** { microphone, camera }: why not, "" if it can. */
  async troubles() {
    const trouble = browserTrouble();
    if (trouble) return { microphone: trouble, camera: "" };
    const [microphone, camera] = [await this.#trouble("microphone"), await this.#trouble("camera")];
    return { microphone, camera };
  }

  async #trouble(what) {
    const permission = await permissionOf(what);
    if (permission === "denied") return deviceTrouble({ name: "NotAllowedError" }, what);
    const devices = await navigator.mediaDevices.enumerateDevices();
    if (!devices.some((device) => device.kind === KINDS[what])) return deviceTrouble({ name: "NotFoundError" }, what);
    // Opened once: only that asks the person, and tells whether another program has it. Not asked twice.
    const known = this.#opened[what];
    if (known === undefined || (known && permission === "granted")) this.#opened[what] = await tryDevice(what);
    return this.#opened[what];
  }

  async #watch(what) {
    const status = await statusOf(what);
    status?.addEventListener("change", () => this.#changed());
  }

  #changed() {
    this.#opened = {};
    this.dispatchEvent(new Event("change"));
  }
}

async function tryDevice(what) {
  const { track, trouble } = await openDevice(what, what === "camera" ? { video: true } : { audio: true });
  track?.stop();
  return trouble;
}

async function permissionOf(what) {
  return (await statusOf(what))?.state ?? "unknown";
}

/** null where a browser does not tell (Firefox before 131). */
async function statusOf(what) {
  try {
    return await navigator.permissions.query({ name: what });
  } catch {
    return null;
  }
}
