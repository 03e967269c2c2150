"use strict";
Tables.start();
const ready = () => { document.documentElement.dataset.ready = "yes"; }; // everything can be used
if (window.DecompressionStream) {
  Promise.all([Figures.start(), Explorer.start()]).then(() => { ready(); Figures.drawAll(); });
} else {
  document.getElementById("old-browser").hidden = false;
  document.getElementById("explorer-waiting")?.remove();
  ready();
}
