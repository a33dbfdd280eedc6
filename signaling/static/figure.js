// Figures of one leg out of getStats, in the words of the W3C's webrtc-stats.

/** Sums per direction and kind, and the round trip. */
export async function readFigures(pc) {
  const figures = {
    connection: pc.connectionState,
    roundTripMs: null,
    audio: { up: flow(), down: flow() },
    video: { up: flow(), down: flow() },
    videos: {},
  };
  const report = await pc.getStats();
  for (const entry of report.values()) {
    if (entry.type === "candidate-pair" && entry.nominated && entry.currentRoundTripTime !== undefined) {
      figures.roundTripMs = Math.round(entry.currentRoundTripTime * 1000);
    }
    if (entry.type === "inbound-rtp") addInbound(figures, entry, report);
    if (entry.type === "outbound-rtp") addOutbound(figures, entry, report);
  }
  return figures;
}

function flow() {
  return { packets: 0, bytes: 0, lost: 0, jitterMs: 0, frames: 0, level: 0, energy: 0, codec: "" };
}

function addInbound(figures, entry, report) {
  const sum = figures[entry.kind].down;
  sum.packets += entry.packetsReceived ?? 0;
  sum.bytes += entry.bytesReceived ?? 0;
  sum.lost += entry.packetsLost ?? 0;
  sum.jitterMs = Math.max(sum.jitterMs, Math.round((entry.jitter ?? 0) * 1000));
  sum.frames += entry.framesDecoded ?? 0;
  sum.level = Math.max(sum.level, entry.audioLevel ?? 0);
  sum.energy += entry.totalAudioEnergy ?? 0;
  sum.codec ||= codecOf(entry, report);
  if (entry.kind === "video") {
    figures.videos[entry.mid ?? entry.trackIdentifier] = {
      frames: entry.framesDecoded ?? 0,
      size: `${entry.frameWidth ?? 0}x${entry.frameHeight ?? 0}`,
      codec: codecOf(entry, report),
    };
  }
}

function addOutbound(figures, entry, report) {
  const sum = figures[entry.kind].up;
  sum.packets += entry.packetsSent ?? 0;
  sum.bytes += entry.bytesSent ?? 0;
  sum.frames += entry.framesEncoded ?? 0;
  sum.codec ||= codecOf(entry, report);
}

function codecOf(entry, report) {
  return report.get(entry.codecId)?.mimeType.split("/")[1] ?? "";
}

/** One line for people. */
export function describeFigures(figures) {
  const { audio, video } = figures;
  const total = audio.down.packets + video.down.packets;
  const lost = audio.down.lost + video.down.lost;
  const share = total ? ((100 * lost) / (total + lost)).toFixed(1) : "0.0";
  const parts = [`sound ${audio.down.codec || "none"}`, `jitter ${audio.down.jitterMs} ms`, `loss ${share} %`];
  if (figures.roundTripMs !== null) parts.push(`round trip ${figures.roundTripMs} ms`);
  if (video.up.codec) parts.push(`camera ${video.up.codec}`);
  for (const picture of Object.values(figures.videos)) parts.push(`picture ${picture.codec} ${picture.size}`);
  return parts.join(" · ");
}
