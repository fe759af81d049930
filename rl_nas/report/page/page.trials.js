/* The table of trials, and a trial. */
function tableColumns() {
  const numeric = (field, title, format, filter) => ({
    title, field, sorter: "number", sorterParams: { alignEmptyValues: "bottom" }, hozAlign: "right",
    formatter: (cell) => (cell.getValue() === null ? "" : format(cell.getValue())),
    titleFormatter: "plaintext", headerFilter: "number", headerFilterFunc: filter,
    headerFilterPlaceholder: { "=": "", "<=": "at most", ">=": "at least" }[filter],
  });
  const text = (field) => ({
    title: field, field, titleFormatter: "plaintext", formatter: "plaintext", headerFilter: "input",
  });
  const titled = ([field, title, format, filter]) => numeric(field, field in COSTS ? title.split(",")[0] : title, format, filter);
  const first = data.runs.length > 1 ? [text("run")] : [];
  return [...first, numeric("trial", "trial", String, "="), text("state"), ...figures().map(titled)];
}

/* Rows, the best first, as the table begins with. */
function tableRows(shown) {
  const { columns, runs } = data;
  const rows = Array.from(columns.trial, (_, place) => ({ place }));
  for (const { field } of shown) {
    const values = columns[field];
    if (field === "run") rows.forEach((row) => (row.run = runs[values[row.place]].name));
    else rows.forEach((row) => (row[field] = Number.isNaN(values[row.place]) ? null : values[row.place]));
  }
  const reward = ({ place }) => (Number.isNaN(columns.reward[place]) ? -Infinity : columns.reward[place]);
  return rows.sort((one, other) => reward(other) - reward(one) || one.place - other.place);
}

function fill() {
  const columns = tableColumns(), rows = tableRows(columns);
  return new Promise((resolve) => {
    table = new Tabulator("#table", {
      data: rows, index: "place", columns, height: Math.min(460, 90 + 30 * Math.max(rows.length, 1)),
      layout: "fitDataFill", headerFilterLiveFilterDelay: 200, rowHeight: 28, initialSort: [{ column: "reward", dir: "desc" }],
      autoResize: false, // or it would replace its rows whenever it comes into view, and lose a click in that moment
      rowFormatter: (row) => row.getElement().classList.toggle("picked", row.getData().place === picked),
    });
    table.on("rowClick", (_, row) => show(row.getData().place));
    table.on("dataFiltered", (_, found) => {
      document.getElementById("count").textContent = `${grouped(found.length)} of ${grouped(rows.length)} shown.`;
      mark(found.map((row) => row.getData().place));
    });
    table.on("tableBuilt", () => {
      window.addEventListener("resize", () => table.redraw());
      resolve();
    });
  });
}

/* A trial. */
function facts(pairs) {
  const list = element("dl");
  for (const [name, value] of pairs) {
    const pair = element("div");
    pair.append(element("dt", name), element("dd", value));
    list.append(pair);
  }
  return list;
}

function show(place) {
  const { columns, runs } = data;
  const run = columns.run[place], choices = architecture(place);
  const details = document.getElementById("details");
  const last = picked;
  picked = place;
  for (const one of [last, place]) {
    const row = one === null ? false : table.getRow(one);
    if (row) row.reformat();
  }
  const head = runs.length > 1 ? `${runs[run].name}, trial ${columns.trial[place]}` : `Trial ${columns.trial[place]}`;
  const figuresOf = facts([["state", columns.state[place]], ...measured(place, figures())]);
  details.replaceChildren(element("h3", head), figuresOf, ...picture(place, choices));
  details.append(genotype(runs[run].decisions, choices), ...failures(place));
  details.hidden = false;
}

/* The network of a trial as a picture, or how to have one. */
function picture(place, choices) {
  const run = data.columns.run[place], trial = data.columns.trial[place];
  const shown = document.getElementById(`picture-${run}-${trial}`), tags = data.pictures.drawings[`${run}-${trial}`];
  if (shown || tags) {
    const made = element("img");
    const svg = () => Array.from(tags, (tag) => data.pictures.tags[tag]).join("");
    made.src = shown ? shown.src : `data:image/svg+xml,${encodeURIComponent(svg())}`;
    made.alt = `The network of trial ${trial}, drawn`;
    return [made];
  }
  if (!choices.length) return [];
  const words = `rl_nas describe --run_dir=${data.runs[run].folder} --trial=${trial} --picture=trial.png`;
  return [element("p", `Its picture: ${words}`, "note")];
}

function genotype(decisions, choices) {
  const part = element("div");
  part.append(element("h3", "Choices"));
  if (!choices.length) part.append(element("p", "not on this page", "note"));
  else if (!decisions.length) part.append(element("p", choices.join(" ")));
  else {
    const active = ({ when }) => when.every(([parent, allowed]) => allowed[choices[parent]]);
    const made = decisions.map((decision, at) => [decision, choices[at]]).filter(([decision]) => active(decision));
    part.append(facts(made.map(([decision, choice]) => [decision.name, decision.choices[choice]])));
  }
  return part;
}

function failures(place) {
  return (data.failures[place] || []).flatMap(({ state, error, log }, attempt) => [
    element("h3", `Failed attempt ${attempt + 1}: ${state}`),
    element("p", error),
    ...(log ? [element("pre", log)] : []),
  ]);
}
