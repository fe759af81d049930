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
  for (const library of document.querySelectorAll(".library")) await load(library);
  data = await unpackedData();
  document.querySelectorAll(".chip").forEach((chip, run) => (chip.style.background = tint(data.colors[run])));
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
