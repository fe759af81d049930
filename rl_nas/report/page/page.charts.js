/* Charts: those at the top first, the others while the browser is idle. */
const sources = [];
let points, plain, paleNow = false;

function trialPoints() {
  const { columns, runs } = data, count = columns.trial.length;
  plain = count > 2000 ? Math.max(0.15, 0.75 * Math.sqrt(2000 / count)) : 0.75;
  points = {
    place: Int32Array.from({ length: count }, (_, place) => place), trial: columns.trial,
    alpha: new Float64Array(count).fill(plain),
  };
  if (runs.length > 1) {
    const colors = data.colors.map(tint);
    points.color = Array.from(columns.run, (run) => colors[run]);
  }
  for (const name of ["reward", "quality", ...Object.keys(COSTS)]) points[name] = columns[name];
}

/* Numbers of networks are read as 600M, not as 600m. */
function capitalUnits() {
  const formatter = Bokeh.Models.NumeralTickFormatter.prototype, format = formatter.doFormat;
  formatter.doFormat = function (ticks, options) {
    return format.call(this, ticks, options).map((text) => text.replace(/[mbt]$/, (unit) => unit.toUpperCase()));
  };
}

/* A hover's pairs of names and texts, in the browser's own words: figures that a trial lacks are left out. */
function tooltip(pairs) {
  const box = element("div");
  box.style.cssText = "display: grid; grid-template-columns: auto auto; gap: 1px 8px; font-size: 12px; color: #1d232b";
  for (const [name, value] of pairs) {
    const head = element("span", name);
    head.style.color = "#0072b2";
    box.append(head, element("span", value));
  }
  return box;
}

function trialTooltip(_, { index }) {
  const { columns, runs } = data, fields = figures();
  const shown = fields.filter(([field]) => field === "reward" || field in COSTS);
  const pairs = measured(index, shown);
  const { reward, quality } = { reward: columns.reward[index], quality: columns.quality[index] };
  if (!Number.isNaN(quality) && quality !== reward) pairs.splice(1, 0, ["quality", fixed(4)(quality)]);
  pairs.unshift(["trial", columns.trial[index]]);
  if (runs.length > 1) pairs.unshift(["run", runs[columns.run[index]].name]);
  return tooltip(pairs);
}

/* Of a heat map: the label of the row, as the axis has it, and the value. */
function cellTooltip(chart, what) {
  return (source, { x, y, image_index: place }) => {
    const row = chart.left[0].major_label_overrides.get(Math.floor(y) + 0.5);
    const value = source.data.image[0][place.flat_index];
    return Number.isNaN(value) ? null : tooltip([["row", row], ["update", Math.round(x)], [what, fixed(4)(value)]]);
  };
}

async function draw(name) {
  const place = document.getElementById(`chart-${name}`);
  let { doc } = data.charts[name];
  if (dark) doc = JSON.parse(JSON.stringify(doc).replace(/"#0072B2"/g, `"${tint("#0072B2")}"`));
  const made = Bokeh.require("document").Document.from_json(doc), chart = made.roots()[0];
  const source = made.get_model_by_name("trials"), hover = made.get_model_by_name("hover");
  if (source !== null) {
    source.data = { ...points }; // before it is drawn: once
    hover.tooltips = trialTooltip;
    source.selected.properties.indices.change.connect(() => pick(source));
    sources.push(source);
  } else if (hover !== null) hover.tooltips = cellTooltip(chart, hover.tooltips[1][0]);
  if (data.menus[name]) addMenu(name, chart);
  await Bokeh.embed.add_document_standalone(made, place);
}

function pick(source) {
  if (source.selected.indices.length === 0) return;
  show(source.selected.indices[0]);
  document.getElementById("details").scrollIntoView({ behavior: "smooth", block: "nearest" });
}

/* A chart of many rows: a menu chooses those in view. */
function addMenu(name, chart) {
  const parts = data.menus[name], menu = element("select"), axis = chart.left[0];
  const choose = () => {
    const { from, to, labels } = parts[menu.selectedIndex];
    axis.major_label_overrides = new Map(labels.map((label, row) => [from + row + 0.5, label]));
    chart.y_range.setv({ start: to, end: from, reset_start: to, reset_end: from });
  };
  menu.append(...parts.map((part) => element("option", part.name)));
  menu.addEventListener("change", choose);
  menu.id = `menu-${name}`;
  menu.setAttribute("aria-label", "Rows of the chart");
  if (parts.length > 1) document.getElementById(`chart-${name}`).before(menu);
}

const atTop = (name) => document.getElementById(`chart-${name}`).getBoundingClientRect().top < window.innerHeight;
const idle = () => new Promise((resolve) => (window.requestIdleCallback || setTimeout)(resolve));

/* What a filter leaves out is pale. */
function mark(places) {
  const all = places.length === data.columns.trial.length;
  if (all && !paleNow) return;
  paleNow = !all;
  points.alpha = new Float64Array(points.place.length).fill(all ? plain : plain / 12);
  for (const place of places) points.alpha[place] = plain;
  for (const source of sources) source.data = { ...source.data, alpha: points.alpha };
}
