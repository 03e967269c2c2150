"use strict";
// The explorer of learning history: finds questions, and shows what each checkpoint and head answered.
const Explorer = (() => {
  const tool = document.getElementById("explorer-tool");
  const step = 60; // questions listed at a time
  let explorer, texts, arrays, found = [], listed = 0, current = -1;
  const loaded = new Map();

  const element = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children); // text stays text
    return made;
  };
  const number = (label) => label.split("/").reduce((upper, lower) => upper / lower);
  const right = (system, question) => Data.bit(arrays.right, explorer.systems.length, system, question);
  const answerable = (question) => (arrays.answerable[question >> 3] >> (question & 7)) & 1;
  const berts = () => explorer.systems.flatMap((one, place) => (one.bert ? [place] : []));
  const heads = (epoch, name) => explorer.systems.flatMap((one, place) =>
    (!one.bert && (!epoch || one.epoch === epoch) && (!name || one.name === name) ? [place] : []));

  const filters = {
    all: ["All", () => true],
    learned: ["Learned: BERT wrong before, right at last", (q) => { const own = berts(); return own.some((s) => !right(s, q)) && right(own.at(-1), q); }],
    forgotten: ["Forgotten: BERT once right, wrong at last", (q) => { const own = berts(); return own.some((s) => right(s, q)) && !right(own.at(-1), q); }],
    never: ["Never learned by BERT", (q) => !berts().some((s) => right(s, q))],
    unanswerable: ["Without an answer", (q) => !answerable(q)],
    heads: ["A chosen head right where BERT is wrong", (q, choice) => choice.pairs.some(([head, bert]) => right(head, q) && !right(bert, q))],
    scorers: ["Scorers disagree", (q, choice) => choice.systems.some((s) => right(s, q) !== referenceRight(s, q))],
  };

  function referenceRight(system, question) {
    if (explorer.task === "span") return Data.bit(arrays.reference_right, explorer.systems.length, system, question);
    return Number(Data.bit(arrays.reference_none, explorer.systems.length, system, question) !== answerable(question));
  }

  const form = document.getElementById("explorer-form");
  const option = (value, text) => element("option", { value }, text);

  function fillForm() {
    const epochs = [...new Set(explorer.systems.filter((one) => !one.bert).map((one) => one.epoch))];
    const names = [...new Set(explorer.systems.filter((one) => !one.bert).map((one) => one.name))];
    const fill = (select, options) => { // what was chosen before stays so
      const before = select.value;
      select.replaceChildren(...options);
      if (options.some((one) => one.value === before)) select.value = before;
    };
    fill(form.epoch, [option("", "any"), ...epochs.sort((a, b) => number(a) - number(b)).map((one) => option(one, one))]);
    fill(form.head, [option("", "any"), ...names.map((one) => option(one, one))]);
    const possible = explorer.labelled && berts().length ? Object.keys(filters) : ["all"];
    fill(form.which, possible.map((key) => option(key, filters[key][0])));
  }

  function choice() {
    const own = heads(form.epoch.value, form.head.value);
    const bertAt = new Map(berts().map((place) => [explorer.systems[place].epoch, place]));
    const pairs = own.flatMap((head) => { const bert = bertAt.get(explorer.systems[head].epoch); return bert === undefined ? [] : [[head, bert]]; });
    const all = form.head.value ? own : [...own, ...berts().filter((place) => !form.epoch.value || explorer.systems[place].epoch === form.epoch.value)];
    return { pairs, systems: all };
  }

  function search(question = -1) {
    const [, holds] = filters[form.which.value], words = form.words.value.trim().toLowerCase(), now = choice();
    const inContext = words ? texts.contexts.map((context) => context.toLowerCase().includes(words)) : [];
    found = [];
    for (let q = 0; q < explorer.count; ++q) {
      if (words && !(inContext[texts.context_of[q]] || texts.questions[q].toLowerCase().includes(words) || texts.ids[q].toLowerCase() === words)) continue;
      if (holds(q, now)) found.push(q);
    }
    listed = 0;
    document.getElementById("explorer-list").replaceChildren();
    document.getElementById("explorer-count").textContent =
      `${found.length.toLocaleString("en")} of ${explorer.count.toLocaleString("en")} questions`;
    more();
    show(found.includes(question) ? question : found.length ? found[0] : -1, false);
  }

  // BERT's verdicts over its checkpoints, as signs that need no colour.
  const road = (q) => (explorer.labelled ? berts().map((s) => (right(s, q) ? "✓" : "·")).join("") : "");

  function more() {
    const list = document.getElementById("explorer-list");
    for (const q of found.slice(listed, listed + step)) {
      const button = element("button", { type: "button", "data-question": q }, texts.questions[q],
        element("span", { class: "road", "aria-hidden": "true" }, road(q)));
      button.onclick = () => show(q, true);
      list.append(element("li", {}, button));
    }
    listed = Math.min(found.length, listed + step);
    document.getElementById("explorer-more").hidden = listed >= found.length;
  }

  // The context as pieces: gold answers marked, the chosen answer underlined. Places are code points.
  function context(q) {
    const letters = Array.from(texts.contexts[texts.context_of[q]]), shown = element("p", { class: "context" });
    const gold = texts.answers[q].map(([begin, text]) => [begin, begin + Array.from(text).length]);
    const chosen = answerSpan(berts().at(-1) ?? 0, q);
    const edges = [...new Set([0, letters.length, ...gold.flat(), ...(chosen || [])])].filter((at) => at <= letters.length).sort((a, b) => a - b);
    for (let i = 0; i + 1 < edges.length; ++i) {
      const text = letters.slice(edges[i], edges[i + 1]).join("");
      const inside = (span) => span && span[0] <= edges[i] && edges[i + 1] <= span[1];
      let piece = gold.some(inside) ? element("mark", { title: "gold answer" }, text) : text;
      if (inside(chosen)) piece = element("span", { class: "chosen", title: "answer of BERT's last checkpoint" }, piece);
      shown.append(piece);
    }
    return shown;
  }

  function span(numbers, system, q) {
    const none = numbers.BYTES_PER_ELEMENT === 1 ? 255 : 65535, own = numbers[q * explorer.systems.length + system];
    if (own === none) return null;
    const at = 2 * (arrays.span_starts[q] + own);
    return [arrays.spans[at], arrays.spans[at + 1]];
  }

  function answerSpan(system, q) {
    if (explorer.task !== "span" || Data.bit(arrays.none, explorer.systems.length, system, q)) return null;
    return span(arrays.span, system, q);
  }

  const textOf = (q, own) => Array.from(texts.contexts[texts.context_of[q]]).slice(...own).join("");

  const verdict = (state) => element("span",
    { class: state ? "right" : "wrong", role: "img", "aria-label": state ? "right:" : "wrong:" }, state ? "✓ " : "✗ ");

  function answerCell(system, q) {
    const cell = element("td"), place = q * explorer.systems.length + system;
    const none = Data.bit(arrays.none, explorer.systems.length, system, q), own = answerSpan(system, q);
    const share = none || explorer.task !== "span" ? arrays.none_share[place] / explorer.shares : arrays.span_share[place] / explorer.shares;
    if (explorer.labelled) cell.append(verdict(right(system, q)));
    const words = explorer.task !== "span" ? (none ? "no answer" : "has an answer") : own ? textOf(q, own) : "none";
    const sure = explorer.task !== "span" && !none ? 1 - share : share;
    cell.append(element(own ? "span" : "em", {}, words), " ", element("span", { class: "sure" }, `${Math.round(100 * sure)} %`));
    if (explorer.labelled && right(system, q) !== referenceRight(system, q)) {
      cell.append(" ", element("span", { class: "sure" }, `(reference: ${referenceRight(system, q) ? "right" : "wrong"})`));
    }
    return cell;
  }

  function table(caption, columns, rows) {
    const head = element("tr", {}, ...columns.map((text) => element("th", { scope: "col" }, text)));
    const body = rows.map(([name, cells]) => element("tr", {}, element("th", { scope: "row" }, name), ...cells));
    return element("div", { class: "table", role: "region", tabindex: "0", "aria-label": caption },
      element("table", { class: "answers" }, element("caption", {}, element("span", { class: "text" }, caption)), element("thead", {}, head), element("tbody", {}, ...body)));
  }

  function answersOfHeads(q) {
    const own = heads(form.epoch.value, form.head.value), epochs = [...new Set(own.map((s) => explorer.systems[s].epoch))];
    epochs.sort((a, b) => number(a) - number(b));
    const rows = new Map();
    for (const s of own) {
      const { name, epoch } = explorer.systems[s];
      if (!rows.has(name)) rows.set(name, epochs.map(() => element("td", {}, "–")));
      rows.get(name)[epochs.indexOf(epoch)] = answerCell(s, q);
    }
    return table("Heads and ensembles, by the checkpoint whose states they read", ["head", ...epochs.map((epoch) => `epoch ${epoch}`)], [...rows]);
  }

  function show(q, focus) {
    current = q;
    const place = document.getElementById("explorer-question");
    for (const button of document.querySelectorAll("#explorer-list button")) {
      if (Number(button.dataset.question) === q) button.setAttribute("aria-current", "true"); else button.removeAttribute("aria-current");
    }
    if (q < 0) { place.replaceChildren("No question matches."); return; }
    const gold = [...new Set(texts.answers[q].map(([, text]) => text))];
    const said = !explorer.labelled ? "unknown" : answerable(q) ? gold.join(" / ") : "none: the question has no answer";
    const rows = berts().map((s) => [explorer.systems[s].epoch, [answerCell(s, q)]]);
    place.replaceChildren(
      element("h3", {}, texts.questions[q]),
      element("p", { class: "lead" }, `Question ${texts.ids[q]}. Gold answer: ${said}. The answer of BERT's last checkpoint is underlined.`),
      context(q),
      table("BERT at its checkpoints: its answer and its confidence", ["epoch", "answer"], rows),
      ...(heads("", "").length ? [answersOfHeads(q)] : []),
    );
    if (focus) place.focus();
  }

  async function choose(place) {
    const chosen = all.tasks[place];
    if (!loaded.has(chosen.features)) loaded.set(chosen.features, await Data.texts(all.texts[chosen.features]));
    if (!loaded.has(chosen)) loaded.set(chosen, await Data.arrays(chosen));
    [explorer, texts, arrays] = [chosen, loaded.get(chosen.features), loaded.get(chosen)]; // together: a search may come meanwhile
    fillForm();
    search(current);
  }

  const all = JSON.parse(document.getElementById("explorer-data").textContent);

  async function start() {
    if (!tool) return;
    const waiting = document.getElementById("explorer-waiting");
    if (!all.tasks?.length) { waiting.textContent = "This run has no records of its questions."; return; }
    form.task.replaceChildren(...all.tasks.map((one, place) => option(place, `${one.task}, seed ${one.seed}`)));
    form.addEventListener("submit", (event) => event.preventDefault());
    form.task.addEventListener("change", () => choose(Number(form.task.value)));
    for (const field of ["which", "epoch", "head"]) form[field].addEventListener("change", () => search());
    let timer;
    form.words.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(search, 150); });
    document.getElementById("explorer-more").onclick = more;
    await choose(0);
    waiting.remove();
    tool.hidden = false;
  }

  return { start };
})();
