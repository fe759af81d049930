/* What the page holds: its data and its libraries, which are compressed; and figures as texts. */
const COSTS = {
  parameters: "parameters", madds: "multiply-adds", latency: "latency, seconds",
  tflite_size: "TFLite size, bytes", peak_memory: "peak memory, bytes",
};
const DARK = { "#0072B2": "#4aa3e0" }; // colors of runs that are faint on a dark ground
const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
const tint = (color) => (dark && DARK[color]) || color;
let data, starts, table, picked = null;

/* An element; names of flags in its text do not break. */
function element(name, text, className) {
  const made = document.createElement(name);
  if (className) made.className = className;
  for (const part of text === undefined ? [] : String(text).split(/(--[a-z][a-z0-9_]*)/)) {
    if (part.startsWith("--")) {
      const flag = document.createElement("span");
      flag.className = "flag";
      flag.textContent = part;
      made.append(flag);
    } else made.append(part);
  }
  return made;
}

async function unpacked(holder) {
  const text = atob(holder.textContent);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = text.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/* The policy of the page lets a script run only if its digest is known. */
async function load(library) {
  const script = document.createElement("script");
  script.textContent = new TextDecoder().decode(await unpacked(library));
  document.head.append(script);
}

/* JSON first, then the bytes of its arrays, of which those of equal significance stand together. */
async function unpackedData() {
  const kinds = { int8: Int8Array, int16: Int16Array, int32: Int32Array, float64: Float64Array };
  const whole = await unpacked(document.getElementById("data"));
  const length = new DataView(whole).getUint32(0, true), bytes = new Uint8Array(whole, 4 + length);
  const array = ({ $array: kind, start, shape }) => {
    const Kind = kinds[kind], size = Kind.BYTES_PER_ELEMENT, count = shape.reduce((one, other) => one * other, 1);
    const made = new Uint8Array(size * count);
    for (let part = 0; part < size; part++) {
      for (let at = 0, from = start + part * count; at < count; at++) made[at * size + part] = bytes[from + at];
    }
    return { shape, values: new Kind(made.buffer) };
  };
  const found = JSON.parse(new TextDecoder().decode(new Uint8Array(whole, 4, length)));
  for (const [name, column] of Object.entries(found.columns)) {
    if (column.$array) found.columns[name] = array(column).values;
  }
  found.architectures = found.architectures.map(array);
  for (const [name, tags] of Object.entries(found.pictures.drawings)) found.pictures.drawings[name] = array(tags).values;
  starts = found.runs.map((_, run) => found.columns.run.indexOf(run)); // the first trial of each run
  return found;
}

/* The choices of a trial; none if they are not on the page. */
function architecture(place) {
  const run = data.columns.run[place], { shape, values } = data.architectures[run];
  const [decisions, trials] = shape, trial = place - starts[run];
  if (trial >= trials) return [];
  const made = Array.from({ length: decisions }, (_, decision) => values[decision * trials + trial]);
  return made.includes(-1) ? [] : made;
}

/* Figures: field, title, text of a value, and how a filter compares. */
const fixed = (digits) => (value) => value.toFixed(digits);
const grouped = (value) => value.toLocaleString("en");
const costFormat = (name) => (name === "latency" ? (value) => value.toExponential(2) : grouped);

function figures() {
  const metrics = data.metrics.map((name, place) => [`metric${place}`, name, fixed(4), ">="]);
  const costs = Object.entries(COSTS).map(([name, title]) => [name, title, costFormat(name), "<="]);
  const all = [["reward", "reward", fixed(4), ">="], ...metrics, ...costs, ["epochs", "epochs", grouped, ">="],
    ["seconds", "seconds", fixed(1), "<="], ["attempts", "attempts", grouped, ">="]];
  return all.filter(([field]) => field === "reward" || data.columns[field].some((value) => !Number.isNaN(value)));
}

/* Those that a trial has, as pairs of texts. */
function measured(place, fields) {
  const known = fields.filter(([field]) => !Number.isNaN(data.columns[field][place]));
  return known.map(([field, title, format]) => [title, format(data.columns[field][place])]);
}
