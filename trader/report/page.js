"use strict";
// What this page draws with the charts above; every name goes in as text, never as markup.

const values = JSON.parse(document.getElementById("values").textContent);
const clock = values.clock, charts = [];
const percent = (value) => `${value < 0 ? "−" : ""}${(100 * Math.abs(value)).toFixed(1)} %`;
const whole = (value) => Math.round(value).toLocaleString("en-US").replace("-", "−");
const priced = (value) => (Math.abs(value) >= 1000 ? whole(value) : String(Number(value.toPrecision(5))));
const shortPercent = (value) => `${Math.round(value * 1e4) / 100}%`.replace("-", "−");

function short(value) {
  for (const [size, letter] of [[1e9, "B"], [1e6, "M"], [1e3, "k"]])
    if (Math.abs(value) >= size) return `${Number((value / size).toPrecision(4))}${letter}`.replace("-", "−");
  return String(Number(value.toPrecision(4))).replace("-", "−");
}

const STYLES = {
  buy_and_hold: ["var(--hold)", ""], flat: ["var(--flat)", "2 3"], random: ["var(--random)", "8 3 2 3"],
  sma_crossover: ["var(--sma)", "7 3"], momentum: ["var(--momentum)", "3 3"], oracle: ["var(--oracle)", "10 4"],
};

function line(source, group, style) {
  return { ...unpack(source, clock), group, ...style };
}

function drawPerformance(host) {
  const { median, low, high, seeds, baselines } = values.performance, several = seeds.length > 1;
  const chart = new Chart(host, "Equity and drawdown of the agent and the baselines; arrow keys read values", clock.tick);
  const colour = "var(--agent)";
  const groups = [{ id: "median", name: several ? `${values.agent} median` : values.agent, colour, width: 3, shown: true }];
  if (several) groups.push({ id: "seeds", name: `${seeds.length} seeds`, colour, width: 1, shown: true });
  const styles = baselines.map(({ name }) => STYLES[name] || ["var(--other)", "5 2 1 2"]);
  baselines.forEach(({ name, label }, row) => groups.push({ id: name, name: label, colour: styles[row][0],
    dash: styles[row][1], shown: name !== "flat" }));
  const pane = (what) => ({
    lines: [
      line(median[what], "median", { colour, width: 2.4 }),
      ...(several ? seeds : []).map((seed) => line(seed[what], "seeds", { colour, width: 0.9, opacity: 0.5, silent: true })),
      ...baselines.map((own, row) => line(own[what], own.name, { colour: styles[row][0], dash: styles[row][1] })),
    ].reverse(),
    bands: several ? [{ group: "seeds", colour, low: line(low[what], "seeds"), high: line(high[what], "seeds") }] : [],
  });
  const log = document.getElementById("log");
  const draw = () => chart.set(groups, [
    { label: "Equity (currency)", height: 300, log: log.checked, format: whole, axis: short, ...pane("equity") },
    { label: "Drawdown", height: 130, format: percent, axis: shortPercent, include: [0], ...pane("drawdown") },
  ]);
  log.onchange = draw;
  draw();
  charts.push(chart);
}

function fill(select, names, chosen) {
  names.forEach((name, row) => { html("option", "", select, name).value = String(row); });
  select.value = String(chosen);
}

function drawPositions(host) {
  const { assets, seeds, median } = values.positions;
  const chart = new Chart(host, "Price with trades, and exposure; arrow keys read values", clock.tick);
  const asset = document.getElementById("asset"), seed = document.getElementById("seed");
  const note = document.getElementById("marks-note"), log = document.getElementById("log-price");
  fill(asset, assets.map((own) => own.name), 0);
  fill(seed, seeds.map((own, row) => `seed ${own}${row === median && seeds.length > 1 ? " (median)" : ""}`), median);
  document.getElementById("asset-choice").hidden = assets.length === 1;
  document.getElementById("seed-choice").hidden = seeds.length === 1;
  const draw = () => {
    const own = assets[asset.value], { exposure, marks } = own.seeds[seed.value];
    note.hidden = marks.shown === marks.all;
    note.textContent = `${marks.shown.toLocaleString("en-US")} of ${marks.all.toLocaleString("en-US")} entries and exits are drawn.`;
    chart.set([
      { id: "price", name: "close", colour: "var(--ink)", width: 1.4, shown: true },
      { id: "exposure", name: "exposure", colour: "var(--agent)", shown: true },
      { id: "long", name: "long entry", symbol: "▲", colour: "var(--agent)", shown: true },
      { id: "short", name: "short entry", symbol: "▼", colour: "var(--hold)", shown: true },
      { id: "exit", name: "exit", symbol: "○", colour: "var(--ink)", shown: true },
    ], [
      { label: `Price of ${own.name}`, height: 280, log: log.checked, format: priced, axis: short,
        lines: [line(own.price, "price", { colour: "var(--ink)", width: 1.1 })],
        marks: { ...unpack(marks, clock), kind: marks.kind } },
      { label: "Exposure (fraction of equity at the close)", height: 90, format: percent, axis: shortPercent, include: [0],
        lines: [line(exposure, "exposure", { colour: "var(--agent)", width: 1, area: true, step: true })] },
    ]);
  };
  for (const control of [asset, seed, log]) control.onchange = draw;
  draw();
  charts.push(chart);
}

drawPerformance(document.getElementById("performance"));
drawPositions(document.getElementById("positions"));

let waiting = 0;
window.addEventListener("resize", () => {
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(() => charts.forEach((chart) => chart.draw()));
});
window.addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((node) => { node.open = true; });
  charts.forEach((chart) => chart.draw(700));
});
window.addEventListener("afterprint", () => charts.forEach((chart) => chart.draw()));
document.documentElement.dataset.drawn = String(charts.length);
