"use strict";
Tables.start();
Promise.all([Figures.start(), Explorer.start()]).then(() => {
  document.documentElement.dataset.ready = "yes"; // everything can be used
  Figures.drawAll();
});
