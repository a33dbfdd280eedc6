// A soft ring while an offer waits, and a title that says so in a hidden tab.

const NOTES_HZ = [660, 880];
const title = document.title;
let timer = null;
let context = null;

export function ring(wanted) {
  document.title = wanted ? `● Offer · ${title}` : title;
  if (wanted && timer === null) {
    chime();
    timer = setInterval(chime, 2500);
  } else if (!wanted && timer !== null) {
    clearInterval(timer);
    timer = null;
  }
}

function chime() {
  context ??= new AudioContext();
  // Without a click on this page the browser keeps it silent; the title and the card still tell.
  if (context.state !== "running") {
    context.resume().catch(() => {});
    return;
  }
  NOTES_HZ.forEach((frequency, index) => {
    const at = context.currentTime + index * 0.18;
    const tone = new OscillatorNode(context, { frequency });
    const loudness = new GainNode(context, { gain: 0 });
    loudness.gain.setTargetAtTime(0.08, at, 0.01);
    loudness.gain.setTargetAtTime(0, at + 0.14, 0.05);
    tone.connect(loudness).connect(context.destination);
    tone.start(at);
    tone.stop(at + 0.5);
  });
}
