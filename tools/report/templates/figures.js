"use strict";
// Draws the figures when they come near the window, in the colours of the reader's choice of light and dark.
const Figures = (() => {
  let specifications = {};
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const views = new Map(); // by name: Promise of what vegaEmbed gives
  const chosen = new Map(); // by task: {models, epochs}, null where all are chosen

  function colors() {
    const onDark = dark.matches && !matchMedia("print").matches;
    const ink = onDark ? "#e8e8e6" : "#1c1c1c", line = onDark ? "#3a4048" : "#e2e4e8";
    const text = { labelColor: ink, titleColor: ink, labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal" };
    return {
      font: "Helvetica, Arial, sans-serif",
      background: "transparent",
      view: { stroke: null },
      axis: { ...text, labelSeparation: 6, gridColor: line, domainColor: "#999", tickColor: "#999" },
      legend: { ...text, orient: "top", symbolSize: 80, labelLimit: 320 },
      header: { ...text, labelFontSize: 13, labelFontWeight: "bold", labelLimit: 280 },
      title: { color: ink, fontSize: 13, anchor: "start", limit: 330 },
      text: { color: ink },
    };
  }

  // Long names in two lines (marks.py has the same): cut names of heads would be the same.
  const twoLines = "length(datum.label) > 20 ? split(replace(datum.label, /^(.{6,20}) (.+)$/, '$1\\n$2'), '\\n') : datum.label";

  // On a phone long labels have two lines, and what stands side by side stands one under the other.
  function narrowed(part) {
    if (Array.isArray(part)) return part.map(narrowed);
    if (part === null || typeof part !== "object") return part;
    const own = Object.fromEntries(Object.entries(part).map(([key, value]) => [key, key === "values" ? value : narrowed(value)]));
    if (own.axis?.labelLimit) own.axis = { ...own.axis, labelLimit: 130, labelFontSize: 10, labelLineHeight: 10, labelExpr: twoLines };
    if (own.height?.step) own.height.step = Math.max(own.height.step, 24);
    if (own.facet?.column && !own.facet.row) own.facet = { row: own.facet.column };
    if (own.hconcat) { own.vconcat = own.hconcat; delete own.hconcat; }
    if (own.legend !== null && own.scale?.domain?.some((one) => one.length > 14)) own.legend = { ...own.legend, columns: 1 };
    return own;
  }

  // A figure as wide as there is room: single ones shrink, panels go into fewer columns.
  function fitted(specification, room) {
    const fit = room < 560 ? narrowed(specification) : structuredClone(specification);
    const named = /"axis":\{[^}]*"labelLimit"/.test(JSON.stringify({ ...fit, data: null }));
    const wide = fit.facet?.row ? 200 : named ? 145 : 90; // of labels and titles of axes, about
    if (typeof fit.width === "number") fit.width = Math.max(200, Math.min(fit.width, room - wide));
    if (fit.concat) {
      for (const one of fit.concat) one.width = Math.max(140, Math.min(one.width, room - wide));
      fit.columns = Math.max(1, Math.min(fit.columns, Math.floor(room / (fit.concat[0].width + 60))));
    }
    if (fit.spec && typeof fit.spec.width === "number") {
      const columns = fit.columns || 1;
      fit.spec.width = Math.max(140, Math.min(fit.spec.width, room - wide));
      if (fit.columns) fit.columns = Math.max(1, Math.min(columns, Math.floor(room / (fit.spec.width + 50))));
    }
    return fit;
  }

  // Once; null where it cannot be drawn, which its box says, and which costs no other figure.
  function draw(figure) {
    const name = figure.dataset.figure;
    if (!views.has(name)) views.set(name, drawn(figure, name).catch((wrong) => {
      console.error(`figure ${name}: ${wrong}`);
      figure.querySelector(".chart").textContent = `This figure cannot be drawn: ${wrong}`;
      return null;
    }));
    return views.get(name);
  }

  // Figures zoom by shift and the wheel's upright turn, which many browsers tell as a turn to the side while shift is held.
  function upright(event) {
    if (!event.shiftKey || event.deltaY || !event.deltaX) return;
    event.preventDefault();
    event.stopPropagation();
    const { deltaX: deltaY, deltaMode, clientX, clientY } = event;
    event.target.dispatchEvent(new WheelEvent("wheel", { deltaY, deltaMode, clientX, clientY, shiftKey: true, bubbles: true, cancelable: true }));
  }

  async function drawn(figure, name) {
    const place = figure.querySelector(".chart");
    const caption = figure.querySelector("figcaption").firstChild.textContent.trim();
    const room = place.clientWidth - 38; // at the right is the button of the drawing (style.css)
    const specification = fitted({ ...specifications[name], description: caption }, room);
    const embedded = await vegaEmbed(place, specification, {
      renderer: "svg",
      config: colors(),
      downloadFileName: name,
      actions: { export: true, source: false, compiled: false, editor: false },
      tooltip: { theme: dark.matches ? "dark" : "light" },
    });
    place.querySelector("svg").addEventListener("wheel", upright, { capture: true, passive: false });
    apply(embedded.view, figure.closest("[data-task]")?.dataset.task);
    return embedded;
  }

  function apply(view, task) {
    const choice = chosen.get(task);
    if (!choice || !view) return;
    view.logLevel(1); // errors alone: a figure of which nothing is chosen is worth no warning
    view.signal("chosen_models", choice.models).signal("chosen_epochs", choice.epochs).runAsync();
  }

  async function redraw() {
    const names = [...views.keys()];
    for (const name of names) (await views.get(name))?.finalize();
    views.clear();
    for (const name of names) await draw(document.querySelector(`[data-figure="${CSS.escape(name)}"]`));
  }

  // The models and checkpoints that the figures of a task tell of.
  function choices(task) {
    const models = new Set(), epochs = new Set();
    for (const figure of document.querySelectorAll(`.figures[data-task="${task}"] figure`)) {
      for (const row of specifications[figure.dataset.figure].data?.values || []) {
        if (row.model !== undefined) models.add(row.model);
        if (row.epoch !== undefined) epochs.add(row.epoch);
      }
    }
    const number = (label) => label.split("/").reduce((upper, lower) => upper / lower);
    return { models: [...models].sort(), epochs: [...epochs].sort((a, b) => number(a) - number(b)) };
  }

  function options(title, values, changed) {
    const details = document.createElement("details"), summary = document.createElement("summary");
    const list = document.createElement("div");
    list.className = "options";
    list.setAttribute("role", "group");
    list.setAttribute("aria-label", title);
    const boxes = values.map((value) => {
      const label = document.createElement("label"), box = document.createElement("input");
      box.type = "checkbox";
      box.checked = true;
      box.value = value;
      label.append(box, ` ${value}`);
      list.append(label);
      return box;
    });
    const tell = () => {
      const on = boxes.filter((box) => box.checked).map((box) => box.value);
      summary.textContent = `${title}: ${on.length === values.length ? "all" : on.length} of ${values.length}`;
      changed(on.length === values.length ? null : on);
    };
    const buttons = document.createElement("div");
    for (const [text, state] of [["All", true], ["None", false]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      button.onclick = () => { for (const box of boxes) box.checked = state; tell(); };
      buttons.append(button, " ");
    }
    list.addEventListener("change", tell);
    details.append(summary, buttons, list);
    summary.textContent = `${title}: all of ${values.length}`;
    return details;
  }

  function addChooser(place) {
    const task = place.dataset.task, { models, epochs } = choices(task);
    chosen.set(task, { models: null, epochs: null });
    const changed = (key) => async (values) => {
      chosen.get(task)[key] = values;
      for (const [name, made] of views) {
        const figure = document.querySelector(`[data-figure="${CSS.escape(name)}"]`);
        if (figure.closest("[data-task]")?.dataset.task === task) apply((await made)?.view, task);
      }
    };
    if (models.length > 1) place.append(options("Models in the figures", models, changed("models")));
    if (epochs.length > 1) place.append(options("Checkpoints in the figures", epochs, changed("epochs")));
  }

  async function start() {
    specifications = await Data.texts(document.getElementById("figure-specifications").textContent);
    document.querySelectorAll(".chooser").forEach(addChooser);
    const near = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) { near.unobserve(entry.target); draw(entry.target); }
    }, { rootMargin: "400px" });
    document.querySelectorAll("[data-figure]").forEach((figure) => near.observe(figure));
    dark.addEventListener("change", redraw);
  }

  // The others too, one at a time when nothing else is to do: paper wants them all.
  async function drawAll() {
    for (const figure of document.querySelectorAll("[data-figure]")) {
      await new Promise((resume) => (window.requestIdleCallback || setTimeout)(resume));
      await draw(figure);
    }
  }

  return { start, draw, drawAll, chosen };
})();
