"use strict";
Figures.start();
Tables.start();
Explorer.start().then(() => {
  document.documentElement.dataset.ready = "yes"; // everything can be used
  Figures.drawAll();
});
