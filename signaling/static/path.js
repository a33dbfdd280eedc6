// Is there a way for media to the bridge? Asked of a peer at its media port that carries nothing (PROTOCOL.md 3).

const WITHIN_MS = 4000;

/** Why no media can flow, "" if it can. `probe` is the result of getMediaProbe. */
export async function pathTrouble(probe) {
  if (!window.RTCPeerConnection) return "This browser has no WebRTC.";
  const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  try {
    pc.createDataChannel("probe");
    await pc.setLocalDescription();
    await pc.setRemoteDescription({ type: "answer", sdp: describe(pc.localDescription.sdp, probe) });
    if (await isConnected(pc)) return "";
    return "No media reaches the bridge: a firewall or VPN on the way blocks UDP to it. Ask whoever runs your network.";
  } catch (error) {
    return `The way for sound and picture cannot be checked. Reload the page; if it stays so, tell whoever runs the bridge: ${error.message}`;
  } finally {
    pc.close();
  }
}

/** The description of the probe as the answer to an offer of one data channel. */
function describe(offer, { candidates, iceUfrag, icePwd, fingerprint }) {
  const mid = /^a=mid:(\S+)/m.exec(offer)[1];
  return [
    "v=0",
    "o=- 1 1 IN IP4 0.0.0.0",
    "s=-",
    "t=0 0",
    "a=ice-lite",
    `a=group:BUNDLE ${mid}`,
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    `a=mid:${mid}`,
    `a=ice-ufrag:${iceUfrag}`,
    `a=ice-pwd:${icePwd}`,
    `a=fingerprint:${fingerprint}`,
    "a=setup:passive",
    "a=sctp-port:5000",
    ...candidates.map((candidate) => `a=candidate:${candidate}`),
    "a=end-of-candidates",
    "",
  ].join("\r\n");
}

function isConnected(pc) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), WITHIN_MS);
    pc.addEventListener("iceconnectionstatechange", () => {
      if (["connected", "completed"].includes(pc.iceConnectionState)) resolve(true);
      else if (pc.iceConnectionState === "failed") resolve(false);
      else return;
      clearTimeout(timer);
    });
  });
}
