"use strict";
// Tables sort, filter and hide columns (DataTables); rows of seeds unfold; "files" of a row opens in a dialog.
const Tables = (() => {
  // Rows of seeds stand below the row of their mean; DataTables keeps them with it, out of sorting.
  function seedsOf(table) {
    const seeds = new Map();
    let mean = null;
    for (const row of [...table.tBodies[0].rows]) {
      if (!row.classList.contains("seed")) { mean = row; continue; }
      if (!seeds.has(mean)) seeds.set(mean, []);
      seeds.get(mean).push(row);
      row.remove();
    }
    return seeds;
  }

  function make(table) {
    if (table.dataset.made) return;
    table.dataset.made = "yes";
    const seeds = seedsOf(table), rows = table.tBodies[0].rows.length;
    const caption = table.caption; // stays a caption: DataTables would make a copy of its own
    const made = new DataTable(table, {
      paging: false,
      info: false,
      order: [],
      autoWidth: false,
      searching: rows > 8,
      layout: {
        topStart: [...(rows > 8 ? ["search"] : []), { buttons: [{ extend: "colvis", text: "Columns" }] }],
        topEnd: null, bottomStart: null, bottomEnd: null,
      },
      language: { search: "Filter rows:" },
    });
    if (caption && !table.caption) table.prepend(caption);
    for (const [row, own] of seeds) made.row(row).child(own);
    const unfold = (button) => {
      const child = made.row(button.closest("tr")).child;
      const open = button.getAttribute("aria-expanded") !== "true";
      if (open) child.show(); else child.hide();
      button.setAttribute("aria-expanded", String(open));
    };
    table.addEventListener("click", (event) => {
      const button = event.target.closest("button.unfold");
      if (button) unfold(button);
    });
    return made;
  }

  function showSource(event) {
    const link = event.target.closest('a[href^="#source-"]');
    if (!link) return;
    const ids = [link.hash.slice(1), ...(link.dataset.also || "").split(" ")].filter(Boolean);
    const dialog = document.getElementById("source");
    event.preventDefault();
    dialog.querySelector("div").replaceChildren(...ids.map((id) => {
      const copy = document.getElementById(id).cloneNode(true);
      copy.removeAttribute("id");
      return copy;
    }));
    dialog.showModal();
  }

  function start() {
    document.addEventListener("click", showSource);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const follow = () => document.documentElement.classList.toggle("dark", dark.matches);
    follow();
    dark.addEventListener("change", follow);
    const near = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) { near.unobserve(entry.target); make(entry.target); }
    }, { rootMargin: "300px" });
    document.querySelectorAll("table[data-table]").forEach((table) => near.observe(table));
  }

  return { start, make };
})();
