"use strict";
(function () {
  const figures = Array.from(document.querySelectorAll("figure.rated"));
  const ratings = {};
  const reader = document.getElementById("reader");
  const state = document.getElementById("state");
  const words = ["pass", "unsure", "fail"];
  let current = null;

  function entry(figure) {
    if (!ratings[figure.id]) ratings[figure.id] = { figure: "", discs: {}, comment: "", sha256: figure.dataset.sha256 };
    return ratings[figure.id];
  }

  function tell() {
    const n = figures.filter(function (f) { return ratings[f.id] && ratings[f.id].figure; }).length;
    state.textContent = n + " of " + figures.length + " figures rated.";
  }

  function show(figure) {
    const kept = entry(figure);
    figure.querySelectorAll("button.rate").forEach(function (button) {
      const disc = button.dataset.disc;
      const word = disc ? kept.discs[disc] : kept.figure;
      button.setAttribute("aria-pressed", String(word === button.dataset.word));
    });
    figure.querySelector("input.comment").value = kept.comment;
    tell();
  }

  function rate(figure, disc, word) {
    const kept = entry(figure);
    if (disc) kept.discs[disc] = word; else kept.figure = word;
    show(figure);
    tellOthers(figure, disc);
  }

  // Whoever else keeps ratings (the page of t2disc review) hears of each one.
  function tellOthers(figure, disc) {
    const kept = entry(figure);
    const detail = { figure: figure.id, level: disc, word: (disc ? kept.discs[disc] : kept.figure) || "",
      comment: disc ? "" : kept.comment, sha256: figure.dataset.sha256 };
    document.dispatchEvent(new CustomEvent("t2disc:rated", { detail: detail }));
  }

  function apply(kept) {
    figures.forEach(function (figure) {
      const one = kept[figure.id];
      if (!one) return;
      const mine = entry(figure);
      mine.figure = words.includes(one.figure) ? one.figure : "";
      mine.comment = String(one.comment || "");
      Object.keys(one.discs || {}).forEach(function (disc) {
        if (words.includes(one.discs[disc])) mine.discs[disc] = one.discs[disc];
      });
      show(figure);
    });
  }

  function forget() {
    figures.forEach(function (figure) { delete ratings[figure.id]; show(figure); });
  }

  function choose(figure) {
    if (current) current.classList.remove("current");
    current = figure;
    current.classList.add("current");
  }

  function viewer(figure) {
    const stage = figure.querySelector(".stage");
    if (!stage) return null;
    const layers = Array.from(stage.querySelectorAll(".layer"));
    const buttons = Array.from(figure.querySelectorAll(".layer-button"));
    const slider = figure.querySelector("input.slice");
    const captions = Array.from(figure.querySelectorAll(".captions li")).map(function (li) { return li.textContent; });
    const where = figure.querySelector("output.where");
    const printed = figure.querySelector(".printed");
    const flicker = figure.querySelector("button.flicker");
    let shown = Math.min(1, layers.length - 1);
    let timer = 0;

    function draw() {
      const n = captions.length;
      const at = Number(slider.value);
      layers.forEach(function (layer, i) {
        layer.classList.toggle("shown", i === shown);
        layer.style.backgroundPosition = "0 " + (n > 1 ? (100 * at) / (n - 1) : 0) + "%";
      });
      buttons.forEach(function (button, i) { button.setAttribute("aria-pressed", String(i === shown)); });
      where.textContent = captions[at];
    if (printed) printed.textContent = layers[shown].dataset.name + ", " + captions[at];
    }

    function stop() {
      window.clearInterval(timer);
      timer = 0;
      if (flicker) flicker.setAttribute("aria-pressed", "false");
    }

    buttons.forEach(function (button, i) {
      button.addEventListener("click", function () { stop(); shown = i; draw(); });
    });
    slider.addEventListener("input", draw);
    stage.addEventListener("wheel", function (event) {
      if (document.activeElement !== slider && current !== figure) return;
      event.preventDefault();
      move(event.deltaY > 0 ? 1 : -1);
    }, { passive: false });
    if (flicker) {
      flicker.addEventListener("click", function () {
        if (timer) { stop(); return; }
        flicker.setAttribute("aria-pressed", "true");
        timer = window.setInterval(function () { shown = (shown + 2) % layers.length; draw(); }, 600);
      });
    }
    function move(by) {
      slider.value = String(Math.min(captions.length - 1, Math.max(0, Number(slider.value) + by)));
      draw();
    }
    draw();
    return { move: move };
  }

  const viewers = new Map();
  figures.forEach(function (figure) {
    viewers.set(figure, viewer(figure));
    figure.addEventListener("pointerdown", function () { choose(figure); });
    figure.addEventListener("focusin", function () { choose(figure); });
    figure.querySelectorAll("button.rate").forEach(function (button) {
      button.addEventListener("click", function () { rate(figure, button.dataset.disc, button.dataset.word); });
    });
    figure.querySelector("input.comment").addEventListener("input", function (event) {
      entry(figure).comment = event.target.value;
    });
    figure.querySelector("input.comment").addEventListener("change", function () { tellOthers(figure, ""); });
  });
  if (figures.length) choose(figures[0]);

  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || !current) return;
    const tag = event.target.tagName;
    if (tag === "INPUT" && event.target.type !== "range") return;
    if (event.altKey) {
      const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
      const next = figures[figures.indexOf(current) + by];
      if (!by || !next) return;
      event.preventDefault();
      choose(next);
      next.scrollIntoView({ block: "start" });
      return;
    }
    const word = words[Number(event.key) - 1];
    if (word) { rate(current, "", word); return; }
    const view = viewers.get(current);
    if (view && tag !== "INPUT" && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
      event.preventDefault();
      view.move(event.key === "ArrowRight" ? 1 : -1);
    }
  });

  const save = document.getElementById("save");
  const load = document.getElementById("load");
  if (save) save.addEventListener("click", function () {
    if (!reader.value.trim()) {
      state.textContent = "Not saved: who reads? Write a name first.";
      reader.focus();
      return;
    }
    const name = document.body.dataset.participant;
    const kept = { format: "t2disc-ratings-1", participant: name, reader: reader.value.trim(), ratings: ratings };
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(kept, null, 2)], { type: "application/json" }));
    link.download = name + "_ratings.json";
    link.click();
    URL.revokeObjectURL(link.href);
  });

  if (load) load.addEventListener("change", function (event) {
    const file = event.target.files[0];
    if (!file) return;
    file.text().then(function (text) {
      const kept = JSON.parse(text);
      if (kept.format !== "t2disc-ratings-1" || kept.participant !== document.body.dataset.participant) {
        throw new Error("another participant's ratings, or none");
      }
      reader.value = String(kept.reader);
      apply(kept.ratings);
    }).catch(function (error) { state.textContent = "Not loaded: " + error.message + "."; });
  });
  window.t2disc = { apply: apply, forget: forget };
  tell();
}());
