// Bars that move with a voice, and its level as a meter for those who do not see them.

const LOWEST_HZ = 80;
const HIGHEST_HZ = 6000;
const QUIET_DBFS = -60;
const BAR_WIDTH = 5;
const BAR_GAP = 4;
// A meter that changes at every frame would keep assistive technology busy.
const METER_EVERY_MS = 100;

let audio = null;

// Browsers start audio only from a click: call this inside one.
export async function wakeAudio() {
  audio ??= new AudioContext();
  if (audio.state !== "running") await audio.resume();
  return audio;
}

export class Visualiser {
  #canvas;
  #meter;
  #analyser = null;
  #source = null;
  #spectrum = null;
  #samples = null;
  #frame = 0;
  #meterAt = 0;

  constructor(canvas) {
    this.#canvas = canvas;
    this.#meter = canvas.closest("[role=meter]");
    this.#draw([]);
    new ResizeObserver(() => this.#analyser || this.#draw([])).observe(canvas);
  }

  show(track) {
    this.stop();
    this.#analyser = new AnalyserNode(audio, { fftSize: 2048, smoothingTimeConstant: 0.75 });
    this.#source = audio.createMediaStreamSource(new MediaStream([track]));
    this.#source.connect(this.#analyser);
    this.#spectrum = new Uint8Array(this.#analyser.frequencyBinCount);
    this.#samples = new Float32Array(this.#analyser.fftSize);
    this.#tick(0);
  }

  stop() {
    cancelAnimationFrame(this.#frame);
    this.#source?.disconnect();
    this.#analyser = this.#source = null;
    this.#meter.setAttribute("aria-valuenow", "0");
    this.#draw([]);
  }

  #tick = (now) => {
    this.#analyser.getByteFrequencyData(this.#spectrum);
    this.#draw(this.#bands());
    if (now - this.#meterAt > METER_EVERY_MS) {
      this.#meterAt = now;
      this.#meter.setAttribute("aria-valuenow", String(this.#level()));
    }
    this.#frame = requestAnimationFrame(this.#tick);
  };

  // 0 is -60 dBFS or less, 100 is full scale.
  #level() {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    const power = this.#samples.reduce((sum, x) => sum + x * x, 0) / this.#samples.length;
    const dbfs = 10 * Math.log10(power + 1e-12);
    return Math.round(Math.max(0, 1 - dbfs / QUIET_DBFS) * 100);
  }

  #bars() {
    return Math.max(8, Math.floor(this.#canvas.clientWidth / (BAR_WIDTH + BAR_GAP)));
  }

  // Low tones in the middle, high ones outwards on both sides.
  #bands() {
    const half = Math.ceil(this.#bars() / 2);
    const hzPerBin = audio.sampleRate / this.#analyser.fftSize;
    const ratio = HIGHEST_HZ / LOWEST_HZ;
    return Array.from({ length: half }, (_, band) => {
      const from = Math.floor((LOWEST_HZ * ratio ** (band / half)) / hzPerBin);
      const to = Math.max(from + 1, Math.ceil((LOWEST_HZ * ratio ** ((band + 1) / half)) / hzPerBin));
      return Math.max(...this.#spectrum.subarray(from, to)) / 255;
    });
  }

  #draw(bands) {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const scale = window.devicePixelRatio || 1;
    // Setting a size clears the canvas.
    this.#canvas.width = Math.round(width * scale);
    this.#canvas.height = Math.round(height * scale);
    const pen = this.#canvas.getContext("2d");
    pen.scale(scale, scale);
    pen.fillStyle = getComputedStyle(this.#canvas).color;
    const bars = this.#bars();
    const left = (width - bars * (BAR_WIDTH + BAR_GAP) + BAR_GAP) / 2;
    for (let bar = 0; bar < bars; bar += 1) {
      const fromMiddle = Math.floor(Math.abs(bar - (bars - 1) / 2));
      const loudness = bands[fromMiddle] ?? 0;
      const tall = Math.max(BAR_WIDTH, loudness ** 1.6 * height);
      pen.globalAlpha = 0.28 + 0.72 * loudness;
      pen.beginPath();
      pen.roundRect(left + bar * (BAR_WIDTH + BAR_GAP), (height - tall) / 2, BAR_WIDTH, tall, BAR_WIDTH / 2);
      pen.fill();
    }
  }
}
