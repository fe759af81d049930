/* Fills the page from the data that it holds: charts by Bokeh, the table of trials by Tabulator. */
"use strict";
(() => {
  const COSTS = {
    parameters: "parameters", madds: "multiply-adds", latency: "latency, seconds",
    tflite_size: "TFLite size, bytes", peak_memory: "peak memory, bytes",
  };
  const sources = [];
  let data, points, table, picked = null, plain = 0.75;

  const element = (name, text, className) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  };

  async function unpacked() {
    const text = atob(document.getElementById("data").textContent);
    const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).json();
  }

  /* Charts: those at the top first, the others while the browser is idle. */
  function trialPoints() {
    const { columns, runs } = data;
    const count = columns.trial.length;
    if (count > 2000) plain = 0.4;
    const numbers = (values) => Float64Array.from(values, (value) => (value === null ? NaN : value));
    points = {
      place: Int32Array.from({ length: count }, (_, place) => place),
      trial: Float64Array.from(columns.trial),
      color: columns.run.map((run) => data.colors[run]),
      alpha: new Float64Array(count).fill(plain),
      run: columns.run.map((run) => runs[run].name),
    };
    for (const name of ["reward", "quality", ...Object.keys(COSTS)]) points[name] = numbers(columns[name]);
  }

  /* Numbers of networks are read as 600M, not as 600m. */
  function capitalUnits() {
    const formatter = Bokeh.Models.NumeralTickFormatter.prototype, format = formatter.doFormat;
    formatter.doFormat = function (ticks, options) {
      return format.call(this, ticks, options).map((text) => text.replace(/[mbt]$/, (unit) => unit.toUpperCase()));
    };
  }

  async function draw(name) {
    const views = await Bokeh.embed.embed_item(data.charts[name], `chart-${name}`);
    const view = views.roots ? views.roots[0] : views;
    if (data.menus[name]) addMenu(name, view.model);
    const source = view.model.document.get_model_by_name("trials");
    if (source === null) return;
    source.data = { ...points };
    source.selected.properties.indices.change.connect(() => {
      if (source.selected.indices.length === 0) return;
      show(source.selected.indices[0]);
      document.getElementById("details").scrollIntoView({ behavior: "smooth", block: "nearest" });
    });
    sources.push(source);
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

  function mark(places) {
    const kept = new Set(places);
    const all = kept.size === data.columns.trial.length;
    points.alpha = Float64Array.from(points.place, (place) => (all || kept.has(place) ? plain : plain / 12));
    for (const source of sources) source.data = { ...source.data, alpha: points.alpha };
  }

  /* The table. */
  const short = (digits) => (cell) => {
    const value = cell.getValue();
    return value === null || value === undefined ? "" : value.toFixed(digits);
  };
  const grouped = (cell) => {
    const value = cell.getValue();
    return value === null || value === undefined ? "" : value.toLocaleString("en");
  };
  const scientific = (cell) => (cell.getValue() === null ? "" : cell.getValue().toExponential(2));

  function fill() {
    const { columns, metrics, runs } = data;
    const present = (name) => columns[name].some((value) => value !== null);
    const numeric = (title, field, formatter, filter = ">=") => ({
      title, field, formatter, sorter: "number", sorterParams: { alignEmptyValues: "bottom" }, hozAlign: "right",
      titleFormatter: "plaintext", headerFilter: "number", headerFilterFunc: filter,
      headerFilterPlaceholder: filter === "=" ? "" : filter === "<=" ? "at most" : "at least",
    });
    const text = (title, field) => ({
      title, field, titleFormatter: "plaintext", formatter: "plaintext", headerFilter: "input",
    });
    const shown = [numeric("trial", "trial", "plaintext", "="), text("state", "state"), numeric("reward", "reward", short(4))];
    if (runs.length > 1) shown.unshift(text("run", "name"));
    metrics.forEach((name, place) => shown.push(numeric(name, `metric${place}`, short(4))));
    const costs = [["parameters", "parameters", grouped], ["multiply-adds", "madds", grouped], ["latency", "latency", scientific],
      ["TFLite size", "tflite_size", grouped], ["peak memory", "peak_memory", grouped]];
    for (const [title, field, formatter] of costs) if (present(field)) shown.push(numeric(title, field, formatter, "<="));
    if (present("epochs")) shown.push(numeric("epochs", "epochs", grouped));
    if (present("seconds")) shown.push(numeric("seconds", "seconds", short(1), "<="));
    shown.push(numeric("attempts", "attempts", grouped));
    const names = Object.keys(columns);
    const rows = columns.trial.map((_, place) => {
      const row = { place, name: runs[columns.run[place]].name };
      for (const name of names) row[name] = columns[name][place];
      return row;
    });
    return new Promise((resolve) => {
      table = new Tabulator("#table", {
        data: rows, index: "place", columns: shown, height: Math.min(460, 90 + 30 * Math.max(rows.length, 1)),
        layout: "fitDataFill", headerFilterLiveFilterDelay: 200, rowHeight: 28, initialSort: [{ column: "reward", dir: "desc" }],
        autoResize: false, // or it would replace its rows whenever it comes into view, and lose a click in that moment
        rowFormatter: (row) => row.getElement().classList.toggle("picked", row.getData().place === picked),
      });
      table.on("rowClick", (_, row) => show(row.getData().place));
      table.on("dataFiltered", (_, found) => {
        document.getElementById("count").textContent = `${found.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} shown.`;
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
    const { columns, metrics, runs } = data;
    const run = columns.run[place], architecture = data.architectures[place];
    const details = document.getElementById("details");
    const last = picked;
    picked = place;
    for (const one of [last, place]) {
      const row = one === null ? false : table.getRow(one);
      if (row) row.reformat();
    }
    const head = runs.length > 1 ? `${runs[run].name}, trial ${columns.trial[place]}` : `Trial ${columns.trial[place]}`;
    const measured = [["state", columns.state[place]]];
    const tell = (name, value) => value !== null && value !== undefined && measured.push([name, String(value)]);
    tell("reward", columns.reward[place]);
    metrics.forEach((name, number) => tell(name, columns[`metric${number}`][place]));
    for (const name of [...Object.keys(COSTS), "epochs", "seconds", "attempts"]) {
      tell(COSTS[name] || name, columns[name][place]);
    }
    details.replaceChildren(element("h3", head), facts(measured));
    const picture = document.getElementById(`picture-${run}-${columns.trial[place]}`);
    if (picture) {
      const copy = element("img");
      copy.src = picture.src;
      copy.alt = picture.alt;
      details.append(copy);
    } else if (architecture.length) {
      const words = `rl_nas describe --run_dir=RUN_DIR --trial=${columns.trial[place]} --picture=trial.png`;
      details.append(element("p", `Its picture: ${words}`, "note"));
    }
    details.append(genotype(runs[run].decisions, architecture), ...failures(place));
    details.hidden = false;
  }

  function genotype(decisions, architecture) {
    const part = element("div");
    part.append(element("h3", "Choices"));
    if (!architecture.length) part.append(element("p", "not on this page", "note"));
    else if (!decisions.length) part.append(element("p", architecture.join(" ")));
    else {
      const active = ({ when }) => when.every(([parent, allowed]) => allowed[architecture[parent]]);
      const made = decisions.map((decision, at) => [decision, architecture[at]]).filter(([decision]) => active(decision));
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

  /* The search may be at work: a newer page is fetched when there is one, and looks as this one was left. */
  function reload() {
    if (!table) return location.reload();
    const filters = table.getHeaderFilters().map(({ field, value }) => [field, value]);
    const sorters = table.getSorters().map(({ field, dir }) => ({ column: field, dir }));
    const menus = Array.from(document.querySelectorAll(".chart select"), ({ id, value }) => [id, value]);
    sessionStorage.setItem("left", JSON.stringify({ filters, sorters, menus, picked, scroll: window.scrollY }));
    location.reload();
  }

  function restore() {
    const left = JSON.parse(sessionStorage.getItem("left") || "null");
    sessionStorage.removeItem("left");
    if (left === null || !table) return;
    for (const [field, value] of left.filters) table.setHeaderFilterValue(field, value);
    table.setSort(left.sorters);
    for (const [id, value] of left.menus) {
      const menu = document.getElementById(id);
      if (menu === null || ![...menu.options].some((option) => option.value === value)) continue;
      menu.value = value;
      menu.dispatchEvent(new Event("change"));
    }
    if (left.picked !== null && left.picked < data.columns.trial.length) show(left.picked);
    window.scrollTo(0, left.scroll);
  }

  function watch(seconds) {
    const state = document.getElementById("state");
    const ask = async () => {
      try {
        const answer = await fetch(location.href, { headers: { "If-None-Match": document.body.dataset.version } });
        if (answer.status === 200) reload();
        state.textContent = `Refreshes while the search runs, every ${seconds} s.`;
      } catch {
        state.textContent = "The server of this page has ended.";
      }
    };
    state.textContent = `Refreshes while the search runs, every ${seconds} s.`;
    setInterval(ask, 1000 * seconds);
  }

  async function start() {
    data = await unpacked();
    trialPoints();
    capitalUnits();
    const names = Object.keys(data.charts), first = names.filter(atTop);
    for (const name of first) await draw(name);
    if (data.runs.length) await fill();
    document.body.dataset.ready = "yes";
    for (const name of names.filter((name) => !first.includes(name))) {
      await idle();
      await draw(name);
    }
    document.body.dataset.drawn = "yes";
    const seconds = Number(document.body.dataset.watch);
    if (!seconds) return;
    restore();
    watch(seconds);
  }
  start();
})();
